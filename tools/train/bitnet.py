# SPDX-License-Identifier: MIT
"""BitNet b1.58 as BitNet-b1.58-2B-4T has it, in small: a trainable reference in plain PyTorch.

Weights are ternary by absmean, activations int8 by absmax per token (arXiv:2402.17764); training
goes straight through both roundings. Block structure: pre-norms, sub-norms before the output and
down projections, squared ReLU, half-split RoPE, grouped-query attention, tied embedding, no biases.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Config:
    vocab: int = 4096
    dim: int = 256
    ffn: int = 768
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    context: int = 1024
    rope_theta: float = 500000.0
    eps: float = 1e-5
    dropout: float = 0.0  # of each residual branch, in training

    @property
    def head_dim(self):
        return self.dim // self.heads


def ternary(weight):
    """absmean: (codes in {-1,0,1}, scale) with weight ~ codes * scale."""
    scale = weight.abs().mean().clamp(min=1e-5)
    return (weight * (1.0 / scale)).round().clamp(-1, 1), scale


def int8_rows(x):
    """absmax per row: (codes in [-127,127], factor) with x ~ codes / factor."""
    factor = 127.0 / x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
    return (x * factor).round().clamp(-128, 127), factor


class BitLinear(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, bias=False)
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x):
        codes, scale = ternary(self.weight.float())
        if not self.training:  # exact: integer products, one scale at the end
            q, factor = int8_rows(x.float())
            return F.linear(q, codes) * (scale / factor)
        q, factor = int8_rows(x)
        x = x + (q / factor - x).detach()
        return F.linear(x, self.weight + (codes * scale - self.weight).detach())


class RMSNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rope_tables(config):
    half = config.head_dim // 2
    freq = config.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(config.context, dtype=torch.float64)[:, None] * freq
    return angle.cos().float(), angle.sin().float()  # [context, head_dim / 2]


def rotate(x, cos, sin):
    """x: [batch, heads, time, head_dim]; pairs (j, j + head_dim / 2)."""
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        kv_dim = c.kv_heads * c.head_dim
        self.attn_norm = RMSNorm(c.dim, c.eps)
        self.attn_q = BitLinear(c.dim, c.dim)
        self.attn_k = BitLinear(c.dim, kv_dim)
        self.attn_v = BitLinear(c.dim, kv_dim)
        self.attn_sub_norm = RMSNorm(c.dim, c.eps)
        self.attn_output = BitLinear(c.dim, c.dim)
        self.ffn_norm = RMSNorm(c.dim, c.eps)
        self.ffn_gate = BitLinear(c.dim, c.ffn)
        self.ffn_up = BitLinear(c.dim, c.ffn)
        self.ffn_sub_norm = RMSNorm(c.ffn, c.eps)
        self.ffn_down = BitLinear(c.ffn, c.dim)

    def dropout(self, x):
        return F.dropout(x, self.c.dropout, self.training)

    def forward(self, h, cos, sin):
        c, (batch, time, _) = self.c, h.shape
        x = self.attn_norm(h)
        q = self.attn_q(x).view(batch, time, c.heads, c.head_dim).transpose(1, 2)
        k = self.attn_k(x).view(batch, time, c.kv_heads, c.head_dim).transpose(1, 2)
        v = self.attn_v(x).view(batch, time, c.kv_heads, c.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        groups = c.heads // c.kv_heads
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        o = o.transpose(1, 2).reshape(batch, time, c.dim)
        h = h + self.dropout(self.attn_output(self.attn_sub_norm(o)))
        x = self.ffn_norm(h)
        u = F.relu(self.ffn_gate(x)).square() * self.ffn_up(x)
        return h + self.dropout(self.ffn_down(self.ffn_sub_norm(u)))


class BitNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocab, config.dim)
        nn.init.normal_(self.token_embd.weight, std=0.02)
        self.blk = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.output_norm = RMSNorm(config.dim, config.eps)
        cos, sin = rope_tables(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens):
        """tokens: [batch, time] -> logits [batch, time, vocab]."""
        cos, sin = self.cos[: tokens.shape[1]], self.sin[: tokens.shape[1]]
        h = self.token_embd(tokens)
        for layer in self.blk:
            h = layer(h, cos, sin)
        return F.linear(self.output_norm(h), self.token_embd.weight)


def perplexity(model, held_out, bos, window, rows=8):
    """exp of the mean negative log-likelihood of every held-out token.

    The tokens are cut into windows of `window` - 1, each preceded by `bos`; in float32.
    `tern perplexity` does the same.
    """
    model.eval()
    tokens = torch.from_numpy(held_out.astype("int64"))
    pieces = tokens.split(window - 1)
    total = 0.0
    with torch.no_grad():
        full = [p for p in pieces if len(p) == window - 1]
        batches = [torch.stack(full[i : i + rows]) for i in range(0, len(full), rows)]
        batches += [p[None] for p in pieces if len(p) < window - 1]
        for target in batches:
            start = torch.full((target.shape[0], 1), bos)
            logits = model(torch.cat([start, target[:, :-1]], dim=1))
            total += F.cross_entropy(logits.flatten(0, 1).double(), target.flatten(),
                                     reduction="sum").item()
    model.train()
    return torch.tensor(total / len(tokens)).exp().item()
