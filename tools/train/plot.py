# SPDX-License-Identifier: MIT
"""Plots the training run: loss against tokens seen, and the held-out perplexity.

    python plot.py WORK_DIR/log.jsonl OUT.png
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def total_minutes(records):
    """Of a run and its resumptions: each counts its minutes from 0."""
    ends = [a["minutes"] for a, b in zip(records, records[1:]) if b["minutes"] < a["minutes"]]
    return sum(ends) + records[-1]["minutes"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()

    records = [json.loads(line) for line in args.log.read_text().splitlines()]
    tokens = [r["tokens"] / 1e6 for r in records]
    figure, loss = plt.subplots(figsize=(7, 4), dpi=110)
    loss.plot(tokens, [r["train_loss"] for r in records], color="tab:blue")
    loss.set_xlabel("training tokens, millions")
    loss.set_ylabel("training loss, nats per token", color="tab:blue")
    loss.grid(alpha=0.3)
    held_out = loss.twinx()
    held_out.plot(tokens, [r["held_out_perplexity"] for r in records], color="tab:orange")
    held_out.set_yscale("log")
    held_out.set_ylabel("held-out perplexity", color="tab:orange")
    last = records[-1]
    loss.set_title(f"held-out perplexity {last['held_out_perplexity']:.1f} after "
                   f"{tokens[-1]:.1f} M tokens, "
                   f"{total_minutes(records):.0f} minutes on a CPU", fontsize=10)
    figure.tight_layout()
    figure.savefig(args.out, metadata={"Software": None})


if __name__ == "__main__":
    main()
