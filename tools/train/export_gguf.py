# SPDX-License-Identifier: MIT
"""Writes the trained model as a GGUF file in the form of the official BitNet-b1.58-2B-4T one.

    python export_gguf.py WORK_DIR OUT.gguf

Reads what prepare.py and train.py left in WORK_DIR. Prints the held-out perplexity of the weights
as exported. docs/formats.md has the format.
"""

import argparse
import hashlib
import json
import pathlib
import struct

import numpy as np
import torch

from bitnet import BitNet, Config, perplexity, ternary

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5  # metadata value types
TYPE_F32, TYPE_F16, TYPE_I2_S = 0, 1, 36  # tensor types
ALIGNMENT = 32
NORMAL, CONTROL = 1, 3  # token types
WINDOW = 512
CHAT_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = message['role'] | capitalize + ': ' + message['content'] | trim"
    " + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}")


def string(text):
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def scalar(kind, value):
    if kind == STRING:
        return string(value)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], value)


def key_value(key, kind, value):
    return string(key) + struct.pack("<I", kind) + scalar(kind, value)


def key_array(key, kind, values):
    head = string(key) + struct.pack("<IIQ", ARRAY, kind, len(values))
    return head + b"".join(scalar(kind, v) for v in values)


def metadata(config, name, tokenizer):
    """The 24 keys of the official file in its order, then four harmless ones. List of bytes."""
    model, specials = tokenizer["model"], tokenizer["added_tokens"]
    tokens = [None] * config.vocab
    for text, token in model["vocab"].items():
        tokens[token] = text
    for special in specials:
        tokens[special["id"]] = special["content"]
    assert None not in tokens
    ids = {special["content"]: special["id"] for special in specials}
    kinds = [CONTROL if i in ids.values() else NORMAL for i in range(config.vocab)]
    arch = "bitnet-b1.58"
    return [
        key_value("general.architecture", STRING, arch),
        key_value("general.name", STRING, name),
        key_value(f"{arch}.vocab_size", U32, config.vocab),
        key_value(f"{arch}.context_length", U32, config.context),
        key_value(f"{arch}.embedding_length", U32, config.dim),
        key_value(f"{arch}.block_count", U32, config.layers),
        key_value(f"{arch}.feed_forward_length", U32, config.ffn),
        key_value(f"{arch}.rope.dimension_count", U32, config.head_dim),
        key_value(f"{arch}.attention.head_count", U32, config.heads),
        key_value(f"{arch}.attention.head_count_kv", U32, config.kv_heads),
        key_value("tokenizer.ggml.add_bos_token", BOOL, True),
        key_value(f"{arch}.attention.layer_norm_rms_epsilon", F32, config.eps),
        key_value(f"{arch}.rope.freq_base", F32, config.rope_theta),
        key_value("general.file_type", U32, 40),
        key_value("tokenizer.ggml.model", STRING, "gpt2"),
        key_array("tokenizer.ggml.tokens", STRING, tokens),
        key_array("tokenizer.ggml.scores", F32, [0.0] * config.vocab),
        key_array("tokenizer.ggml.token_type", I32, kinds),
        key_array("tokenizer.ggml.merges", STRING, [" ".join(m) for m in model["merges"]]),
        key_value("tokenizer.ggml.bos_token_id", U32, ids["<|begin_of_text|>"]),
        key_value("tokenizer.ggml.eos_token_id", U32, ids["<|end_of_text|>"]),
        key_value("tokenizer.ggml.padding_token_id", U32, ids["<|end_of_text|>"]),
        key_value("tokenizer.chat_template", STRING, CHAT_TEMPLATE),
        key_value("general.quantization_version", U32, 2),
        key_value("tokenizer.ggml.pre", STRING, "llama-bpe"),
        key_value("general.license", STRING, "mit"),
        key_value("general.description", STRING,
                  "Sample model of Tern, trained on public domain English prose"),
        key_value("general.alignment", U32, ALIGNMENT),
    ]


def pack_i2s(weight):
    """Canonical I2_S: 128 weights in 32 bytes, then the float32 scale and 28 zero bytes."""
    codes, scale = ternary(weight)
    fields = (codes.flatten().to(torch.int64).numpy() + 1).reshape(-1, 4, 32)
    shifts = np.array([6, 4, 2, 0]).reshape(1, 4, 1)
    body = (fields << shifts).sum(axis=1).astype(np.uint8)
    return body.tobytes() + struct.pack("<f", scale.item()) + bytes(28)


def tensors(state):
    """(name, shape innermost first, type, bytes) of each tensor, in the state's order."""
    for name, weight in state.items():
        if not name.endswith(".weight"):
            name += ".weight"
        shape = list(reversed(weight.shape))
        if weight.ndim == 1:
            yield name, shape, TYPE_F32, weight.float().numpy().tobytes()
        elif name == "token_embd.weight":
            yield name, shape, TYPE_F16, weight.half().numpy().tobytes()
        else:
            yield name, shape, TYPE_I2_S, pack_i2s(weight.float())


def write(path, keys, tensor_list):
    infos, offset = [], 0
    for name, shape, kind, data in tensor_list:
        infos.append(string(name) + struct.pack("<I", len(shape))
                     + b"".join(struct.pack("<Q", n) for n in shape)
                     + struct.pack("<IQ", kind, offset))
        offset += -(-len(data) // ALIGNMENT) * ALIGNMENT
    with open(path, "wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(keys)))
        out.write(b"".join(keys) + b"".join(infos))
        for _, _, _, data in tensor_list:
            out.write(bytes(-out.tell() % ALIGNMENT))
            out.write(data)
        out.write(bytes(-out.tell() % ALIGNMENT))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--name", default="tern-sample")
    args = parser.parse_args()

    saved = torch.load(args.work_dir / "model.pt", map_location="cpu", weights_only=True)
    config = Config(**saved["config"])
    tokenizer = json.loads((args.work_dir / "tokenizer.json").read_text(encoding="utf-8"))
    write(args.out, metadata(config, args.name, tokenizer), list(tensors(saved["state"])))
    raw = args.out.read_bytes()
    print(f"{args.out}: {len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()}")

    model = BitNet(config)
    model.load_state_dict(saved["state"])
    model.token_embd.weight.data = model.token_embd.weight.data.half().float()
    held_out = np.load(args.work_dir / "heldout.npy")
    bos = next(t["id"] for t in tokenizer["added_tokens"] if t["content"] == "<|begin_of_text|>")
    print(f"held-out perplexity {perplexity(model, held_out, bos, WINDOW):.4f} "
          f"({len(held_out)} tokens, windows of {WINDOW})")


if __name__ == "__main__":
    main()
