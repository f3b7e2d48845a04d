# SPDX-License-Identifier: MIT
"""Trains the sample model.

    python train.py WORK_DIR --minutes 100

Reads what prepare.py wrote; writes WORK_DIR/model.pt and WORK_DIR/log.jsonl. With --resume it goes
on from that model.pt (weights and place in the schedule; the optimizers start afresh) and spends
--minutes on the rest. The schedule is a function of the share of the time, so the run ends on time
on any machine: constant rate, then linear decay over the last 60 %; weight decay is off in the second half, as
the BitNet authors advise. Matrices are updated by Muon (momentum, orthogonalised), the rest by Adam.
"""

import argparse
import json
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

from bitnet import BitNet, Config, perplexity

BOS = 4093
# Tokens a window up to this share of the time: short ones are cheaper, the last are a full context.
WINDOWS = [(0.55, 256), (0.9, 512), (2.0, 1024)]
EVAL_WINDOW = 512


class Data:
    """Random windows, each the beginning-of-text token and what follows a paragraph's start.

    The window holds a uniformly drawn token, so that every text counts by its length and not by how
    many paragraphs it has; in a paragraph longer than the window it may begin in the middle.
    """

    def __init__(self, work, chat_share, seed):
        self.rng = np.random.default_rng(seed)
        self.chat_share = chat_share
        self.text = np.load(work / "train.npy"), np.load(work / "starts.npy")
        self.chat = np.load(work / "chat.npy"), np.load(work / "chat_starts.npy")

    def batch(self, rows, window):
        out = np.empty((rows, window + 1), dtype=np.int64)
        out[:, 0] = BOS
        for row in out:
            tokens, starts = self.chat if self.rng.random() < self.chat_share else self.text
            drawn = self.rng.integers(len(tokens))
            at = starts[np.searchsorted(starts, drawn, side="right") - 1]
            if drawn - at >= window:
                at = drawn - self.rng.integers(window)
            at = min(at, len(tokens) - window)
            row[1:] = tokens[at : at + window]
        return torch.from_numpy(out)


def orthogonalise(g, steps=5):
    """Newton-Schulz iteration towards the nearest orthogonal matrix (Muon, Jordan 2024)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16() / (g.norm() + 1e-7)
    if flip := x.shape[0] > x.shape[1]:
        x = x.T
    for _ in range(steps):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return (x.T if flip else x).float()


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                m = state.setdefault("m", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonalise(p.grad.lerp(m, group["momentum"]))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=100)
    parser.add_argument("--steps", type=int, default=0, help="stop early, for timing")
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--dropout", type=float, default=0.1, help="of each residual branch")
    parser.add_argument("--chat-share", type=float, default=0.06)
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--adam-lr", type=float, default=4e-3)
    parser.add_argument("--layers", type=int, default=Config.layers)
    parser.add_argument("--dim", type=int, default=Config.dim)
    parser.add_argument("--ffn", type=int, default=Config.ffn)
    parser.add_argument("--heads", type=int, default=Config.heads)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--evals", type=int, default=40, help="measurements on the held-out text")
    parser.add_argument("--seed", type=int, default=1813)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    config = Config(layers=args.layers, dim=args.dim, ffn=args.ffn, heads=args.heads,
                    dropout=args.dropout)
    model = BitNet(config)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "blk" in name]
    others = [p for name, p in model.named_parameters() if p.ndim == 1 or "blk" not in name]
    optimizers = [Muon(matrices, args.muon_lr, weight_decay=0.1),
                  torch.optim.Adam(others, args.adam_lr, betas=(0.9, 0.95), fused=True)]
    base = [g["lr"] for o in optimizers for g in o.param_groups]
    print(sum(p.numel() for p in model.parameters()), "weights", flush=True)

    seen, step, first_share = 0, 0, 0.0
    if args.resume:
        checkpoint = torch.load(args.work_dir / "model.pt")
        model.load_state_dict(checkpoint["state"])
        seen, step, first_share = (checkpoint[k] for k in ("tokens", "step", "share"))

    data = Data(args.work_dir, args.chat_share, args.seed + step)
    held_out = np.load(args.work_dir / "heldout.npy")
    log = open(args.work_dir / "log.jsonl", "a")

    def batch_loss(batch):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(batch[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())

    if args.compile:
        batch_loss = torch.compile(batch_loss, dynamic=False)

    def save(minutes, share):
        record = dict(step=step, minutes=round(minutes, 2), tokens=seen,
                      train_loss=float(np.mean(recent[-50:])),
                      held_out_perplexity=perplexity(model, held_out, BOS, EVAL_WINDOW))
        print(json.dumps(record), file=log, flush=True)
        print(record, flush=True)
        torch.save(dict(config=config.__dict__, state=model.state_dict(), tokens=seen, step=step,
                        share=share), args.work_dir / "model.pt")

    begin, recent, next_eval = time.monotonic(), [], 0.0
    first_step, first_seen = step, seen
    while True:
        minutes = (time.monotonic() - begin) / 60
        share = first_share + (1 - first_share) * minutes / args.minutes
        if share >= 1 or (args.steps and step >= args.steps):
            break
        scale = min(1.0, (step - first_step + 1) / 50) * min(1.0, (1 - share) / 0.6)
        for group, lr in zip((g for o in optimizers for g in o.param_groups), base):
            group["lr"] = lr * scale
            if "momentum" in group:
                group["weight_decay"] = 0.1 if share < 0.5 else 0.0
        window = next(w for until, w in WINDOWS if share < until)
        rows = args.batch_tokens // window
        loss = batch_loss(data.batch(rows, window))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seen += rows * window
        step += 1
        recent.append(loss.item())
        if step % 10 == 0:
            print(f"step {step} min {minutes:.1f} loss {np.mean(recent[-10:]):.4f} "
                  f"tok/s {(seen - first_seen) / (time.monotonic() - begin):.0f}", flush=True)
        if minutes >= next_eval and not args.steps:
            next_eval = minutes + args.minutes / args.evals
            save(minutes, share)
    if not args.steps:
        save(args.minutes, 1.0)


if __name__ == "__main__":
    main()
