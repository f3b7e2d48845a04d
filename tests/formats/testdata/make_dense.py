# SPDX-License-Identifier: MIT
"""Makes dense.bin: numbers in each dense layout, by ggml's own Python package (gguf) where it can
write them, and what they stand for. Q6_K, which it can only read, is written here from random codes.
Made with gguf 0.17 and numpy 2; run again only if a layout is added: python make_dense.py"""
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

rng = np.random.default_rng(158)
x = (rng.standard_normal(512) * 3).astype(np.float32)
x[:4] = [0, -0.0, 1e-8, 100]
with open("dense.bin", "wb") as out:
    out.write(x.tobytes())
    for kind in (T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q6_K):
        if kind == T.F16:
            raw = x.astype(np.float16).view(np.uint8)
            back = x.astype(np.float16).astype(np.float32)
        elif kind == T.Q6_K:
            raw = rng.integers(0, 256, 2 * 210, dtype=np.uint8)
            for block in range(2):
                raw[block * 210 + 208:block * 210 + 210] = np.array([0.011], np.float16).view(np.uint8)
            back = dequantize(raw.reshape(1, -1), kind).reshape(-1)
        else:
            raw = quantize(x.reshape(1, -1), kind).view(np.uint8).reshape(-1)
            back = dequantize(raw.reshape(1, -1), kind).reshape(-1)
        out.write(raw.tobytes())
        out.write(back.astype(np.float32).tobytes())
