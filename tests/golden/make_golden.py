# SPDX-License-Identifier: MIT
"""Tiny random models of each family and what Hugging Face transformers computes with them, in
float32: see README.md. Usage: python make_golden.py [--mistakes] [NAME ...]

A linear layer of these models is transformers' own nn.Linear with another forward: the rule of
BitLinear (transformers/integrations/bitnet.py) in float32, over weights that are trits times a scale.
"""
import argparse
import json
import math
import pathlib
import struct

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent / "models"
VOCAB = 320
NOISE = 3e-7     # of the jitter
STABLE = 1e-5    # how far it may move the logits of a stable row
torch.set_num_threads(1)
torch.manual_seed(0)


class Mode:
    """What the forward of the linear layers does now: jitter, and planted mistakes."""
    jitter = None        # a generator, or none
    truncate = False     # instead of rounding


def quantize_rows(x):
    """Absmax int8 per token (arXiv:2402.17764)."""
    scale = 127 / x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
    scaled = x * scale
    codes = torch.trunc(scaled) if Mode.truncate else torch.round(scaled)
    return codes.clamp(-128, 127) / scale


def noisy(x):
    if Mode.jitter is None:
        return x
    return x * (1 + NOISE * torch.randn(x.shape, generator=Mode.jitter))


class Linear(torch.nn.Module):
    """Trits times scales, with BitLinear's input rule unless the activations are left alone."""

    def __init__(self, trits, scales, norm=None, eps=1e-6, quantize=True):
        super().__init__()
        self.trits, self.scales, self.quantize = trits, scales, quantize
        self.norm, self.eps = norm, eps

    @property
    def weight(self):
        rows, cols = self.trits.shape
        if self.scales.numel() == 1:
            return self.trits * self.scales
        groups = self.scales.shape[1]
        return (self.trits.view(rows, groups, -1) * self.scales[:, :, None]).view(rows, cols)

    def forward(self, x):
        x = noisy(x)
        if self.norm is not None:
            x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.norm
            x = noisy(x)
        if self.quantize:
            x = quantize_rows(x)
        return x @ self.weight.T


def random_trits(rng, rows, cols):
    return torch.from_numpy(rng.choice([-1, 0, 1], size=(rows, cols), p=[.34, .32, .34]).astype(np.float32))


def linear_names(model):
    return [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"]


def replace(model, name, module):
    parent = model.get_submodule(name.rpartition(".")[0])
    setattr(parent, name.rpartition(".")[2], module)


def randomise(model, rng, embedding_scale=1.0):
    """Norms around 1 (or around 0 where they are offsets), embeddings normal."""
    is_gemma = "Gemma" in type(model).__name__
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                spread = torch.from_numpy(rng.uniform(-.4, .4, parameter.shape).astype(np.float32))
                parameter.copy_(spread if is_gemma else 1 + spread)
            elif "embed" in name or "lm_head" in name:
                values = rng.standard_normal(parameter.shape).astype(np.float32) * embedding_scale
                parameter.copy_(torch.from_numpy(values).bfloat16().float())


def ternary(model, rng, group=0, norms=False, quantize=True):
    """Gives every linear layer random trits; returns them by name."""
    made = {}
    for name in linear_names(model):
        rows, cols = model.get_submodule(name).weight.shape
        trits = random_trits(rng, rows, cols)
        base = 1.2 / math.sqrt(cols)
        if group:
            scales = torch.from_numpy((base * rng.uniform(.5, 1.5, (rows, cols // group)))
                                      .astype(np.float16).astype(np.float32))
        else:
            scales = torch.tensor([base * rng.uniform(.8, 1.2)]).bfloat16().float()
        norm = torch.from_numpy(rng.uniform(.6, 1.4, cols).astype(np.float32)).bfloat16().float() if norms else None
        made[name] = Linear(trits, scales, norm, quantize=quantize)
        replace(model, name, made[name])
    return made


def masters(layer, rng):
    """Weights that absmean takes for the layer's trits, away from its thresholds, in bf16; and the
    scale that it finds."""
    base = 0.02
    magnitude = torch.from_numpy(rng.uniform(.9, 1.7, layer.trits.shape).astype(np.float32))
    rest = torch.from_numpy(rng.uniform(-.3, .3, layer.trits.shape).astype(np.float32))
    weights = torch.where(layer.trits == 0, rest, layer.trits * magnitude) * base
    weights = weights.bfloat16().float()
    scale = weights.abs().mean().clamp(min=1e-5)
    assert torch.equal((weights / scale).round().clamp(-1, 1), layer.trits)
    layer.scales = scale.reshape(1)
    return weights.bfloat16()


def pack_u8(trits):
    """transformers' pack_weights: rows r, r + R, r + 2R, r + 3R in one byte."""
    codes = (trits + 1).to(torch.uint8)
    quarter = codes.shape[0] // 4
    packed = torch.zeros(quarter, codes.shape[1], dtype=torch.uint8)
    for i in range(4):
        packed |= codes[i * quarter:(i + 1) * quarter] << (2 * i)
    return packed


# --- The families ---

COMMON = dict(vocab_size=VOCAB, max_position_embeddings=256, attn_implementation="eager",
              bos_token_id=1, eos_token_id=2, pad_token_id=None)


class Family:
    """A model, how it is stored, and how it is run."""
    embedding = False  # golden vectors, not logits
    # A layer whose scale matters: no norm follows that would divide it out again. A value's does not
    # where a norm stands before the output projection.
    scale_layer = "o_proj"

    def __init__(self, name):
        self.name = name
        self.rng = np.random.default_rng(sum(name.encode()))
        self.build()
        self.model.eval()

    def logits(self, tokens):
        with torch.no_grad():
            return self.model(torch.tensor([tokens])).logits[0]

    def state(self):
        return {n: p for n, p in self.model.state_dict().items() if "rotary" not in n}

    def write(self, folder, config, tensors, shards=1):
        folder.mkdir(parents=True, exist_ok=True)
        config.pop("transformers_version", None)
        (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
        tensors = {n: t.contiguous() for n, t in tensors.items()}
        if shards == 1:
            save_file(tensors, folder / "model.safetensors")
            return
        names, index = sorted(tensors), {}
        for i in range(shards):
            file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
            part = names[i::shards]
            save_file({n: tensors[n] for n in part}, folder / file)
            index.update({n: file for n in part})
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {}, "weight_map": index}, indent=1, sort_keys=True) + "\n")

    def dense_tensors(self):
        """All but the linear layers' weights, in bf16."""
        return {n: p.bfloat16() for n, p in self.state().items() if "lm_head" not in n or not self.tied}

    tied = True

    def plain_config(self):
        return self.model.config.to_dict()


class BitNet(Family):
    hidden_act, theta, arch, dims = "relu2", 500000.0, ["BitNetForCausalLM"], (256, 512, 4, 2)
    online = False

    def build(self):
        dim, ffn, heads, kv = self.dims
        config = transformers.BitNetConfig(
            hidden_size=dim, intermediate_size=ffn, num_hidden_layers=2, num_attention_heads=heads,
            num_key_value_heads=kv, hidden_act=self.hidden_act, rms_norm_eps=1e-5,
            rope_theta=self.theta, rope_parameters={"rope_type": "default", "rope_theta": self.theta},
            tie_word_embeddings=True, **COMMON)
        self.model = transformers.BitNetForCausalLM(config).float()
        randomise(self.model, self.rng, .05)
        self.layers = ternary(self.model, self.rng)
        self.masters = {n: masters(l, self.rng) for n, l in self.layers.items()} if self.online else None
        with torch.no_grad():
            for p in self.model.parameters():
                p.copy_(p.bfloat16().float())

    def save(self, folder):
        config = self.plain_config()
        config["architectures"] = self.arch
        tensors = self.dense_tensors()
        if self.online:
            tensors.update({f"{n}.weight": w for n, w in self.masters.items()})
        else:
            for n, layer in self.layers.items():
                tensors[f"{n}.weight"] = pack_u8(layer.trits)
                tensors[f"{n}.weight_scale"] = layer.scales.bfloat16()
        mode = "online" if self.online else "offline"
        config["quantization_config"] = {"quant_method": "bitnet", "linear_class": "autobitlinear",
                                         "quantization_mode": mode}
        self.change(config, tensors)
        self.write(folder, config, tensors)

    def change(self, config, tensors):
        pass


class BitNetOnline(BitNet):
    online, dims = True, (128, 256, 2, 1)


class BitNetLarge(BitNet):
    """1bitLLM's: SiLU, all heads their own keys, other names, dense masters, no quantization_config."""
    hidden_act, theta, arch, dims, online = "silu", 10000.0, ["BitnetForCausalLM"], (128, 256, 2, 2), True

    def change(self, config, tensors):
        config["model_type"] = "llama"
        config.pop("quantization_config")
        for old, new in [("self_attn.attn_sub_norm", "self_attn.inner_attn_ln"),
                         ("mlp.ffn_sub_norm", "mlp.ffn_layernorm")]:
            for n in [n for n in tensors if old in n]:
                tensors[n.replace(old, new)] = tensors.pop(n)


class BitNetOdd(BitNet):
    """As the 3B model: columns that are no multiples of 128, a head_dim that is no power of two."""
    hidden_act, theta, arch, dims = "silu", 10000.0, ["BitnetForCausalLM"], (192, 320, 4, 4)


class Llama(Family):
    tied = False

    def build(self):
        config = transformers.LlamaConfig(
            hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, rms_norm_eps=1e-5, rope_theta=500000.0,
            rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
            tie_word_embeddings=False, **COMMON)
        self.model = transformers.LlamaForCausalLM(config).float()
        randomise(self.model, self.rng, .05)
        self.layers = ternary(self.model, self.rng)
        with torch.no_grad():
            for p in self.model.parameters():
                p.copy_(p.bfloat16().float())
        for layer in self.layers.values():  # the scale as it is stored: W = t / weight_scale
            layer.stored = (1 / layer.scales).bfloat16()
            layer.scales = 1 / layer.stored.float()

    def save(self, folder):
        tensors = self.dense_tensors()
        for n, layer in self.layers.items():
            tensors[f"{n}.weight"] = pack_u8(layer.trits)
            tensors[f"{n}.weight_scale"] = layer.stored
        config = self.plain_config()
        config["quantization_config"] = {"quant_method": "bitnet"}
        self.write(folder, config, tensors, shards=2)


class Bonsai(Family):
    """Qwen 3 with trits and one scale for each 128 columns everywhere, activations as they are."""
    rope = {"rope_type": "default", "rope_theta": 1e6}
    rotated = False

    def build(self):
        config = transformers.Qwen3Config(
            hidden_size=256, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=64, rms_norm_eps=1e-6, rope_theta=1e6,
            rope_parameters=dict(self.rope), tie_word_embeddings=True, **COMMON)
        self.model = transformers.Qwen3ForCausalLM(config).float()
        randomise(self.model, self.rng)
        self.layers = ternary(self.model, self.rng, group=128, quantize=False)
        table = Linear(random_trits(self.rng, VOCAB, 256),
                       torch.from_numpy(self.rng.uniform(.03, .08, (VOCAB, 2)).astype(np.float16).astype(np.float32)))
        self.table = table
        self.signs = {256: torch.from_numpy(self.rng.choice([-1.0, 1.0], 256).astype(np.float32))}
        weights = self.unrotated(table.weight) if self.rotated else table.weight
        with torch.no_grad():
            self.model.model.embed_tokens.weight.copy_(weights)
            self.model.lm_head.weight.copy_(weights)
        if self.rotated:  # the model computes with the weights that the rotated ones stand for
            for layer in self.layers.values():
                layer.stored = layer.weight
                layer.forward = lambda x, layer=layer: noisy(x) @ self.unrotated(layer.weight).T

    def unrotated(self, rows):
        """Rows z of a rotated matrix: z' = s * (H z) in blocks of 128."""
        h = np.array([[1.0]])
        while len(h) < 128:
            h = np.block([[h, h], [h, -h]])
        h = torch.from_numpy((h / math.sqrt(128)).astype(np.float64))
        blocks = rows.double().view(rows.shape[0], -1, 128) @ h
        return (blocks.reshape(rows.shape) * self.signs[rows.shape[1]].double()).float()

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        config = self.model.config
        keys = [("general.architecture", "qwen3"), ("general.name", self.name),
                ("qwen3.vocab_size", VOCAB), ("qwen3.context_length", 256), ("qwen3.embedding_length", 256),
                ("qwen3.block_count", 2), ("qwen3.feed_forward_length", 256), ("qwen3.attention.head_count", 4),
                ("qwen3.attention.head_count_kv", 2), ("qwen3.attention.key_length", 64),
                ("qwen3.attention.value_length", 64), ("qwen3.rope.freq_base", 1e6),
                ("qwen3.attention.layer_norm_rms_epsilon", config.rms_norm_eps)]
        if self.rope["rope_type"] == "yarn":
            keys += [("qwen3.rope.scaling.type", "yarn"), ("qwen3.rope.scaling.factor", 4.0),
                     ("qwen3.rope.scaling.original_context_length", 64)]
        tensors = [("token_embd.weight", self.table)]
        names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
                 "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
                 "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
                 "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
        for i in range(2):
            for hf, gguf in names.items():
                module = self.model.get_submodule(f"model.layers.{i}.{hf}")
                tensors.append((f"blk.{i}.{gguf}.weight", module))
        tensors.append(("output_norm.weight", self.model.model.norm))
        if self.rotated:
            folded = [n for n, m in tensors if isinstance(m, Linear)][1:]
            keys += [("prism.hadamard.version", 1),
                     ("prism.hadamard.transform", "normalized-sylvester-walsh-hadamard"),
                     ("prism.hadamard.block_size", 128), ("prism.hadamard.axis", "input-last-dimension"),
                     ("prism.hadamard.sign_mode", "explicit"), ("prism.hadamard.sign_widths", [256]),
                     ("prism.hadamard.sign_values", [int(s) for s in self.signs[256]]),
                     ("prism.hadamard.weight_names", folded),
                     ("prism.hadamard.inverse_weight_names", ["token_embd.weight"])]
        write_gguf(folder / "model.gguf", keys, tensors)


class BonsaiYarn(Bonsai):
    rope = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 64}


class BonsaiRotated(Bonsai):
    rotated = True


class EmbeddingFamily(Family):
    embedding = True

    def logits(self, tokens):
        """The normalised last hidden state after each prefix: as if each were the whole text."""
        with torch.no_grad():
            hidden = self.model(torch.tensor([tokens])).last_hidden_state[0]
        return hidden / hidden.norm(dim=-1, keepdim=True)

    def finish(self):
        self.layers = ternary(self.model, self.rng, norms=True)
        self.masters = {n: masters(l, self.rng) for n, l in self.layers.items()}
        with torch.no_grad():
            for p in self.model.parameters():
                p.copy_(p.bfloat16().float())

    def save(self, folder):
        tensors = self.dense_tensors()
        for n, layer in self.layers.items():
            tensors[f"{n}.weight"] = self.masters[n]
            tensors[f"{n}.norm.weight"] = layer.norm.bfloat16()
        self.write(folder, self.plain_config(), tensors)


class Qwen3Embedding(EmbeddingFamily):
    def build(self):
        config = transformers.Qwen3Config(
            hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=64, rms_norm_eps=1e-6, rope_theta=1e6,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6}, tie_word_embeddings=True, **COMMON)
        self.model = transformers.Qwen3Model(config).float()
        randomise(self.model, self.rng)
        self.finish()


class Gemma3Embedding(EmbeddingFamily):
    scale_layer = "gate_proj"  # norms follow all others; GELU is not homogeneous

    def build(self):
        config = transformers.Gemma3TextConfig(
            hidden_size=128, intermediate_size=128, num_hidden_layers=3, num_attention_heads=2,
            num_key_value_heads=1, head_dim=64, rms_norm_eps=1e-6, query_pre_attn_scalar=80,
            sliding_window=8, layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 1e6},
                             "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}},
            hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True, **COMMON)
        self.model = transformers.Gemma3TextModel(config).float()
        randomise(self.model, self.rng, .05)
        self.finish()


FAMILIES = {"bitnet_b158": BitNet, "bitnet_b158_online": BitNetOnline, "bitnet_large": BitNetLarge,
            "bitnet_odd": BitNetOdd, "llama": Llama, "bonsai": Bonsai, "bonsai_yarn": BonsaiYarn,
            "bonsai_rotated": BonsaiRotated, "qwen3_embedding": Qwen3Embedding,
            "gemma3_embedding": Gemma3Embedding}


# --- GGUF, as little of it as these files need ---

def write_gguf(path, keys, tensors):
    def string(s):
        raw = s.encode()
        return struct.pack("<Q", len(raw)) + raw

    def value(v):
        if isinstance(v, list):
            kind, items = (8, [string(s) for s in v]) if isinstance(v[0], str) else (5, [struct.pack("<i", i) for i in v])
            return struct.pack("<IIQ", 9, kind, len(v)) + b"".join(items)
        if isinstance(v, str):
            return struct.pack("<I", 8) + string(v)
        return struct.pack("<If", 6, v) if isinstance(v, float) else struct.pack("<II", 4, v)

    def payload(module):
        if isinstance(module, Linear):  # PQ2_0: f16 scale, then 32 bytes of four codes
            rows, cols = module.trits.shape
            codes = (module.trits + 1).to(torch.uint8).numpy().reshape(rows, cols // 128, 32, 4)
            raw = (codes << np.array([0, 2, 4, 6], np.uint8)).sum(-1).astype(np.uint8)
            scales = module.scales.numpy().astype(np.float16).view(np.uint8).reshape(rows, cols // 128, 2)
            return 142, [cols, rows], np.concatenate([scales, raw], -1).tobytes()
        weight = module.weight.detach().numpy().astype(np.float32)
        return 0, [weight.size], weight.tobytes()

    def padded(raw):
        return raw + bytes(-len(raw) % 32)

    infos, data = b"", b""
    for name, module in tensors:
        kind, shape, raw = payload(module)
        infos += string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        infos += struct.pack("<IQ", kind, len(data))
        data += padded(raw)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    head += b"".join(string(k) + value(v) for k, v in keys)
    path.write_bytes(padded(head + infos) + data)


# --- Golden rows ---

def relative(a, b):
    """How far rows are apart, relative to the largest number of each row."""
    return (a - b).abs().amax(-1) / b.abs().amax(-1)


def stable_rows(family, tokens, want):
    stable = torch.ones(len(tokens), dtype=torch.bool)
    for seed in range(6):
        Mode.jitter = torch.Generator().manual_seed(seed)
        stable &= relative(family.logits(tokens), want) < STABLE
    Mode.jitter = None
    return stable


def greedy(family, prompt, steps=16):
    tokens, margins = list(prompt), []
    for _ in range(steps):
        top = family.logits(tokens)[-1].topk(2)
        margins.append(float((top.values[0] - top.values[1]) / top.values[0].abs()))
        tokens.append(int(top.indices[0]))
    return tokens[len(prompt):], min(margins)


def prompts(family, count=3):
    """Prompts of which many rows are stable, the best of a few dozen, one of them long."""
    rng = np.random.default_rng(7)
    found = []
    for i in range(24):
        tokens = rng.integers(3, VOCAB, 32 if i % 4 == 0 else 12).tolist()
        want = family.logits(tokens)
        found.append((int(stable_rows(family, tokens, want).sum()), tokens, want))
    found.sort(key=lambda f: -f[0])
    return [(tokens, want, stable_rows(family, tokens, want)) for _, tokens, want in found[:count]]


def continuation(family):
    """A prompt whose continuation is nowhere near a tie: the best of a few dozen."""
    rng = np.random.default_rng(8)
    best = None
    for _ in range(24):
        prompt = rng.integers(3, VOCAB, 6).tolist()
        tokens, margin = greedy(family, prompt)
        if best is None or margin > best[2]:
            best = (prompt, tokens, margin)
    return best


def write(family):
    folder = HERE / family.name
    family.save(folder)
    tensors, stable_count = {}, 0
    for i, (tokens, want, stable) in enumerate(prompts(family)):
        tensors[f"tokens_{i}"] = torch.tensor(tokens, dtype=torch.int32)
        tensors[f"logits_{i}"] = want.float()
        tensors[f"stable_{i}"] = stable.to(torch.uint8)
        stable_count += int(stable.sum())
    note = ""
    if not family.embedding:
        prompt, tokens, margin = continuation(family)
        tensors["greedy_prompt"] = torch.tensor(prompt, dtype=torch.int32)
        tensors["greedy"] = torch.tensor(tokens, dtype=torch.int32)
        note = f", least margin of the continuation {margin:.3f}"
    save_file(tensors, folder / "golden.safetensors")
    rows = sum(len(t) for n, t in tensors.items() if n.startswith("tokens"))
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{family.name}: {stable_count} of {rows} rows stable{note}; {size} bytes")


# --- Planted mistakes: would the gate of golden_test.cc catch them? ---

def passes(family, goldens, continued):
    for tokens, want, stable in goldens:
        found = family.logits(tokens)
        error = relative(found, want)
        cosine = torch.nn.functional.cosine_similarity(found, want, dim=-1)
        if (error[stable] >= 1e-4).any() or (error >= 7e-2).any() or (cosine < .997).any():
            return False
    return continued is None or greedy(family, continued[0])[0] == continued[1]


def mistakes(family):
    goldens = prompts(family)
    continued = None if family.embedding else continuation(family)
    assert passes(family, goldens, continued)
    model = family.model
    layers = list(family.layers.values())
    rope = [m for n, m in model.named_modules() if "rotary" in n]
    results = {}

    def attempt(name, plant, undo):
        plant()
        results[name] = "caught" if not passes(family, goldens, continued) else "MISSED"
        undo()

    norms = [m for m in model.modules() if hasattr(m, "variance_epsilon") or (hasattr(m, "eps") and not isinstance(m, Linear))]

    def scale_eps(factor):
        for m in norms + layers:
            for key in ("variance_epsilon", "eps"):
                if hasattr(m, key):
                    setattr(m, key, getattr(m, key) * factor)

    attempt("eps x10", lambda: scale_eps(10), lambda: scale_eps(.1))

    def scale_theta(theta):
        for m in rope:
            for key in [k for k in vars(m).get("_buffers", {}) if k.endswith("inv_freq") and "original" not in k]:
                inv = getattr(m, key)
                j = torch.arange(len(inv)) / len(inv)
                setattr(m, key, inv * theta ** -j)

    attempt("theta +1 %", lambda: scale_theta(1.01), lambda: scale_theta(1 / 1.01))
    layer = next(l for n, l in family.layers.items() if "v_proj" in n)
    scaled = next(l for n, l in family.layers.items() if family.scale_layer in n)
    old = scaled.scales
    attempt("one scale +5 %", lambda: setattr(scaled, "scales", old * 1.05), lambda: setattr(scaled, "scales", old))
    trits = layer.trits
    wrong = trits.clone()
    wrong[0, :8] = 1 - wrong[0, :8].abs()
    attempt("8 wrong trits", lambda: setattr(layer, "trits", wrong), lambda: setattr(layer, "trits", trits))
    if layer.quantize:
        attempt("truncation for rounding", lambda: setattr(Mode, "truncate", True), lambda: setattr(Mode, "truncate", False))
    first = [m for n, m in model.named_modules() if n.endswith("layers.0.input_layernorm")][0]
    second = [m for n, m in model.named_modules() if n.endswith(("layers.0.post_attention_layernorm", "layers.0.pre_feedforward_layernorm"))][-1]

    def swap():
        first.weight, second.weight = second.weight, first.weight

    attempt("swapped norms", swap, swap)
    module = __import__(type(model).__module__, fromlist=["x"])
    right = module.rotate_half

    def interleaved(x):
        return torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)

    attempt("wrong RoPE pairing", lambda: setattr(module, "rotate_half", interleaved), lambda: setattr(module, "rotate_half", right))
    assert passes(family, goldens, continued)
    print(f"| {family.name} | " + " | ".join(results.get(k, "-") for k in
          ["eps x10", "theta +1 %", "one scale +5 %", "8 wrong trits", "truncation for rounding", "swapped norms", "wrong RoPE pairing"]) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--mistakes", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.names or FAMILIES:
        family = FAMILIES[name](name)
        mistakes(family) if arguments.mistakes else write(family)
