# SPDX-License-Identifier: MIT
"""Writes the first seeds of the corpora beside this script; what fuzzing found was added by hand.

    python make_corpus.py
"""

import pathlib
import random
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"
U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
TYPE_F32, TYPE_F16, TYPE_I2_S = 0, 1, 36
HUGE = 2**64 - 1


def u32(n):
    return struct.pack("<I", n)


def u64(n):
    return struct.pack("<Q", n)


def string(text):
    raw = text.encode() if isinstance(text, str) else text
    return u64(len(raw)) + raw


def key(name, kind, value):
    return string(name) + u32(kind) + value


def strings(name, values):
    return key(name, ARRAY, u32(STRING) + u64(len(values)) + b"".join(map(string, values)))


def header(tensors, keys, version=3):
    return b"GGUF" + u32(version) + u64(tensors) + u64(keys)


def tensor(name, shape, kind, offset):
    return string(name) + u32(len(shape)) + b"".join(map(u64, shape)) + u32(kind) + u64(offset)


def padded(raw, multiple=32):
    return raw + bytes(-len(raw) % multiple)


def gguf(keys, tensors):
    """tensors: list of (name, shape, kind, bytes)."""
    infos, data = b"", b""
    for name, shape, kind, raw in tensors:
        infos += tensor(name, shape, kind, len(data))
        data = padded(data + raw)
    return padded(header(len(tensors), len(keys)) + b"".join(keys) + infos) + data


def byte_letters():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(b if b in printable else next(others)) for b in range(256)]


def tokenizer_keys(merges=("h e", "he l"), extra=("he", "hel"), kinds=None):
    tokens = [*byte_letters(), *extra, "<|eot_id|>"]
    kinds = kinds or [1] * (len(tokens) - 1) + [3]
    return [
        key("tokenizer.ggml.model", STRING, string("gpt2")),
        key("tokenizer.ggml.pre", STRING, string("llama-bpe")),
        strings("tokenizer.ggml.tokens", tokens),
        key("tokenizer.ggml.token_type", ARRAY,
            u32(I32) + u64(len(kinds)) + b"".join(struct.pack("<i", k) for k in kinds)),
        strings("tokenizer.ggml.merges", list(merges)),
        key("tokenizer.ggml.bos_token_id", U32, u32(0)),
        key("tokenizer.ggml.eos_token_id", U32, u32(258)),
        key("tokenizer.ggml.add_bos_token", BOOL, b"\1"),
    ]


def config_keys(vocab=4, **changes):
    arch = "bitnet-b1.58."
    numbers = {"vocab_size": vocab, "context_length": 64, "embedding_length": 128,
               "block_count": 1, "feed_forward_length": 128, "attention.head_count": 4,
               "attention.head_count_kv": 2} | changes
    return [key("general.architecture", STRING, string("bitnet-b1.58")),
            *(key(arch + name, U32, u32(n)) for name, n in numbers.items()),
            key(arch + "attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)),
            key(arch + "rope.freq_base", F32, struct.pack("<f", 1e4))]


def model_tensors(vocab=4, scale=1.0):
    def norm(name):
        return name, [128], TYPE_F32, struct.pack("<128f", *[1.0] * 128)

    def matrix(name, rows):
        body = bytes([0x55]) * (rows * 32)
        return name, [128, rows], TYPE_I2_S, body + struct.pack("<f", scale) + bytes(28)

    blk = "blk.0."
    return [
        ("token_embd.weight", [128, vocab], TYPE_F16, bytes(vocab * 256)),
        norm("output_norm.weight"),
        *(norm(f"{blk}{n}.weight") for n in ["attn_norm", "attn_sub_norm", "ffn_norm",
                                             "ffn_sub_norm"]),
        *(matrix(f"{blk}{n}.weight", rows) for n, rows in [
            ("attn_q", 128), ("attn_k", 64), ("attn_v", 64), ("attn_output", 128),
            ("ffn_gate", 128), ("ffn_up", 128), ("ffn_down", 128)]),
    ]


def gguf_seeds():
    small = gguf([key("k", U32, u32(1)), strings("s", ["a", "b"])],
                 [("t", [8], TYPE_F32, bytes(32)), ("w", [128, 2], TYPE_I2_S, bytes(96))])
    one = header(0, 1)
    yield "ok_small", small
    yield "ok_empty", header(0, 0)
    yield "ok_version_2", header(0, 0, 2)
    yield "ok_vocabulary", gguf(tokenizer_keys(), [])
    yield "ok_alignment", padded(header(1, 1) + key("general.alignment", U32, u32(64))
                                 + tensor("t", [1], TYPE_F32, 0), 64) + bytes(4)
    yield "ok_scalars", header(0, 12) + b"".join(
        key(f"k{kind}", kind, raw) for kind, raw in [
            (0, b"\xff"), (1, b"\xff"), (2, b"\xff\xff"), (3, b"\xff\xff"), (4, u32(7)),
            (5, u32(7)), (6, struct.pack("<f", float("nan"))), (7, b"\0"), (8, string(b"\xff\0")),
            (10, u64(HUGE)), (11, u64(HUGE)), (12, struct.pack("<d", 1e300))])
    yield "bad_nothing", b""
    yield "bad_magic", b"GGML" + small[4:]
    yield "bad_version", header(0, 0, 4)
    yield "bad_big_endian", header(0, 0, 0x03000000)
    yield "bad_cut_header", small[:20]
    yield "bad_cut_keys", small[:40]
    yield "bad_cut_infos", small[:100]
    yield "bad_cut_data", small[:-33]
    yield "bad_tensor_count", header(HUGE, 0) + bytes(64)
    yield "bad_key_count", header(0, HUGE) + bytes(64)
    yield "bad_both_counts", header(5, 7) + bytes(200)
    yield "bad_key_length", one + u64(HUGE) + bytes(64)
    yield "bad_key_length_sum", one + u64(HUGE - 31) + bytes(64)
    yield "bad_string_length", one + key("k", STRING, u64(2**63)) + bytes(64)
    yield "bad_array_count", one + key("k", ARRAY, u32(U32) + u64(2**62)) + bytes(64)
    yield "bad_array_count_product", one + key("k", ARRAY, u32(12) + u64(2**61)) + bytes(64)
    yield "bad_strings_count", one + key("k", ARRAY, u32(STRING) + u64(2**24)) + bytes(64)
    yield "bad_nested_array", one + key("k", ARRAY, u32(ARRAY) * 8) + bytes(64)
    yield "bad_value_type", one + key("k", 13, bytes(64))
    yield "bad_boolean", one + key("k", BOOL, b"\2") + bytes(64)
    yield "bad_same_key", header(0, 2) + key("k", BOOL, b"\1") * 2
    yield "bad_alignment", one + key("general.alignment", U32, u32(3))
    yield "bad_alignment_zero", one + key("general.alignment", U32, u32(0))
    yield "bad_alignment_text", one + key("general.alignment", STRING, string("32"))
    for name, shape, kind, offset in [
            ("dimensions", [1] * 5, TYPE_F32, 0), ("no_dimensions", [], TYPE_F32, 0),
            ("zero_dimension", [0], TYPE_F32, 0), ("elements", [2**32, 2**32], TYPE_F32, 0),
            ("tensor_bytes", [2**62], TYPE_F32, 0), ("columns", [64, 3], TYPE_I2_S, 0), ("past_end", [65], TYPE_F32, 0),
            ("offset", [1], TYPE_F32, HUGE - 31), ("offset_data", [1], TYPE_F32, 2**63),
            ("misaligned", [1], TYPE_F32, 4)]:
        yield f"bad_{name}", padded(header(1, 0) + tensor("t", shape, kind, offset)) + bytes(256)
    yield "ok_type_not_read", padded(header(1, 0) + tensor("t", [256], 13, 0)) + bytes(256)
    for name, first, second in [("overlap", ("a", 0), ("b", 32)), ("same_tensor", ("a", 0), ("a", 64))]:
        yield f"bad_{name}", padded(header(2, 0) + tensor(first[0], [16], TYPE_F32, first[1])
                                    + tensor(second[0], [16], TYPE_F32, second[1])) + bytes(256)
    rng = random.Random(1813)
    for bit in sorted(rng.sample(range(32, 8 * 24), 4)):
        raw = bytearray(small)
        raw[bit // 8] ^= 1 << bit % 8
        yield f"bad_flipped_{bit}", bytes(raw)


def model_seeds():
    whole = tokenizer_keys()
    vocab = 259
    yield "ok_model", gguf(config_keys(vocab) + whole, model_tensors(vocab))
    yield "bad_no_keys", gguf([], [])
    yield "bad_vocabulary_only", gguf(whole, [])
    yield "bad_no_tensors", gguf(config_keys(), [])
    yield "bad_no_tokenizer", gguf(config_keys(), model_tensors())
    yield "bad_layers", gguf(config_keys(block_count=4096) + whole, [])
    yield "bad_heads", gguf(config_keys(**{"attention.head_count": 0}), [])
    yield "bad_kv_heads", gguf(config_keys(**{"attention.head_count_kv": 0}), [])
    yield "bad_huge", gguf(config_keys(2**32 - 1, embedding_length=2**32 - 1,
                                       feed_forward_length=2**32 - 1), [])
    tokens = [k for k in whole if b"ggml.tokens" not in k]
    yield "bad_no_tokens", gguf(tokens, [])
    yield "bad_few_tokens", gguf(tokens + [strings("tokenizer.ggml.tokens", ["a", "b"])], [])
    yield "bad_kinds", gguf(tokenizer_keys(kinds=[1, 3]), [])
    yield "bad_merge", gguf(tokenizer_keys(merges=["h e", "x y"]), [])
    yield "bad_letters", gguf(tokenizer_keys(extra=("he", "a b")), [])


def text_seeds():
    yield "ok_english", b"It is a truth universally acknowledged, that they're 12345 of us.\r\n\n  x"
    yield "ok_special", b"<|begin_of_text|>a<|eot_id|<|eot_id|>"
    yield "ok_unicode", "na\u00efve \u4f60\u597d \U0001f469\u200d\U0001f467 \u0661\u0662\u180e".encode()
    yield "ok_ill_formed", b"\xff\xc0\x80\xe2\x82\xed\xa0\x80\xf0\x9f\x98"
    yield "ok_spaces", b" \t\n\r\x0b\x0c\xc2\x85\xc2\xa0\xe2\x80\xa8   'S 'll"


def safetensors(header, data=64):
    raw = header.encode()
    return u64(len(raw)) + raw + bytes(data)


def safetensors_seeds():
    entry = '{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}'
    yield "ok_one", safetensors('{"t":' + entry + "}", 16)
    yield "ok_metadata", safetensors('{"__metadata__":{"format":"pt"}}', 0)
    yield "bad_empty", b""
    yield "bad_length", u64(2**63) + b"{}"
    yield "bad_json", safetensors("{")
    yield "bad_nested", safetensors("[" * 200)
    for name, old, new in [("dtype", "F32", "F3"), ("shape", "[2,2]", "[2,-2]"), ("product", "[2,2]", f"[{2**63},2]"),
                           ("offsets", "[0,16]", "[16,0]"), ("past_end", "[0,16]", "[60,76]"), ("bytes", "[2,2]", "[2,3]")]:
        yield f"bad_{name}", safetensors('{"t":' + entry.replace(old, new) + "}")
    yield "bad_overlap", safetensors('{"a":' + entry + ',"b":' + entry.replace("[0,16]", "[8,24]") + "}")


def safetensors_index_seeds():
    def one(shard):
        return ('{"weight_map":{"a":' + shard + "}}").encode()

    yield "ok_two", (b'{"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00002.safetensors",'
                     b'"b":"model-00002-of-00002.safetensors"}}')
    yield "ok_none", b'{"weight_map":{}}'
    yield "bad_parent", one('"../a.safetensors"')
    yield "bad_dots", one('".."')
    yield "bad_number", one("7")
    yield "bad_zero", one('"a\\u0000.safetensors"')
    yield "bad_empty", one('""')
    yield "bad_kind", b'{"weight_map":[]}'
    yield "bad_cut", b"{"


def tokenizer_json_seeds():
    letters = [c for c in "abcdefghijklmnopqrstuvwxyz"] + ["\u0120", "\u010a"]
    vocab = ",".join(f'"{c}":{i}' for i, c in enumerate(letters + ["ab", "abc"]))
    level = '"pre_tokenizer":{"type":"ByteLevel"}'
    model = '"model":{"type":"BPE","vocab":{' + vocab + '},"merges":["a b",["ab","c"]]}'
    added = '"added_tokens":[{"id":30,"content":"<|end|>","special":true},{"id":31,"content":"<b>"}]'
    yield "ok_byte_level", f"{{{level},{model},{added}}}".encode()
    fallback = model.replace('"type":"BPE"', '"type":"BPE","byte_fallback":true,"unk_token":"a"')
    prepend = '"normalizer":{"type":"Prepend","prepend":"\u2581"}'
    yield "ok_byte_fallback", f"{{{prepend},{fallback},{added}}}".encode()
    yield "bad_json", b"{"
    yield "bad_model", b'{"model":{"type":"WordPiece"}}'
    yield "bad_merge", f'{{{level},{model.replace("a b", "a z q")}}}'.encode()
    yield "bad_id", f'{{{level},{model.replace(":0,", ":1e9,")}}}'.encode()
    yield "bad_added", f'{{{level},{model},{added.replace("31", "123456789")}}}'.encode()
    yield "bad_pre_tokenizer", f'{{{level.replace("ByteLevel", "Whitespace")},{model}}}'.encode()
    yield "bad_twice", f'{{{level},{model},{added.replace("<b>", "<|end|>")}}}'.encode()


def vocabulary_seeds():
    def piece(text, score, kind=1):
        raw = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind])
        return b"\x0a" + bytes([len(raw)]) + raw

    trainer, normalizer = b"\x12\x02\x18\x02", b"\x1a\x04\x18\x01\x20\x00"
    whole = piece(b"<unk>", 0, 2) + piece(b"a", -1) + piece(b"b", -2) + piece(b"ab", -0.5) + piece(b"<0x41>", 0, 6)
    yield "ok_sentencepiece", whole + trainer + normalizer
    yield "bad_unigram", whole + b"\x12\x02\x18\x01" + normalizer
    yield "bad_cut", whole[:-3]
    yield "bad_twice", whole + piece(b"a", 0) + trainer + normalizer
    yield "bad_byte", whole + piece(b"<0xZZ>", 0, 6) + trainer + normalizer
    yield "bad_length", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
    yield "bad_tiktoken", b"IQ== 0\nIg== 1\nISI= 2\n"
    yield "bad_tiktoken_rank", b"IQ== 7\n"
    yield "bad_empty", b""


def chat_seeds():
    yield "ok_turns", b"\x00user\x00Hello\x00assistant\x00Hi <|eot_id|>\x00user\x00<think>x</think>\n\ny"
    yield "ok_template", b"{{ '<|im_start|>' }}\x00system\x00a\x00user\x00b"
    yield "ok_nothing", b""


def config_seeds():
    config = ('{"model_type":"llama","vocab_size":320,"hidden_size":256,"intermediate_size":512,"num_hidden_layers":2,'
              '"num_attention_heads":4,"max_position_embeddings":256,"rms_norm_eps":1e-5,'
              '"rope_parameters":{"rope_type":"yarn","factor":4.0,"rope_theta":1e6},'
              '"quantization_config":{"quant_method":"bitnet"}}')
    yield "ok_llama", config.encode()
    yield "ok_gemma", config.replace("llama", "gemma3_text").replace("{", '{"layer_types":["sliding_attention","full_attention"],"sliding_window":4,', 1).encode()
    yield "bad_kind", config.replace("320", '"320"').encode()
    yield "bad_model", config.replace("llama", "qwen35").encode()
    yield "bad_layers", config.replace("llama", "gemma3_text").replace("{", '{"layer_types":["full_attention"],"sliding_window":4,', 1).encode()


def main():
    for folder, seeds in [("gguf", gguf_seeds()), ("model", model_seeds()), ("text", text_seeds()),
                          ("safetensors", safetensors_seeds()), ("safetensors_index", safetensors_index_seeds()),
                          ("tokenizer_json", tokenizer_json_seeds()), ("vocabulary", vocabulary_seeds()), ("chat", chat_seeds()), ("hf_config", config_seeds())]:
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
        for name, raw in seeds:
            (CORPUS / folder / name).write_bytes(raw)


if __name__ == "__main__":
    main()
