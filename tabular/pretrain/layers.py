"""Attention blocks shared by all parts of the network, with the parameter names of the official checkpoints."""

import torch
import torch.nn.functional as F
from torch import nn

# Grids of the attention kernels on CUDA are limited to 65535 sequences.
MAX_SEQUENCES = 32768


def feed_forward(x, norm_weight, norm_bias, w1, b1, w2, b2):
    """x + linear2(gelu(linear1(norm(x)))) on a matrix of rows."""
    h = F.layer_norm(x, x.shape[-1:], norm_weight, norm_bias)
    return x + F.linear(F.gelu(F.linear(h, w1, b1)), w2, b2)


def rotate(x, cos, sin):
    """Rotary embedding over interleaved pairs; x [..., L, dh], cos and sin [L, dh / 2]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2)


def affine(x, weight, bias):
    """x * weight + bias with one scalar x per vector, computed in float32, returned in the dtype of weight."""
    return torch.addcmul(bias.float(), x.unsqueeze(-1), weight.float()).to(weight.dtype)


class Ops:
    """The pointwise-heavy functions, replaceable by compiled versions."""

    feed_forward = staticmethod(feed_forward)
    rotate = staticmethod(rotate)
    affine = staticmethod(affine)


def compile_ops():
    """Replace the pointwise-heavy functions by compiled ones (they accept any number of rows)."""
    torch._dynamo.config.cache_size_limit = 64
    for name, function in (("feed_forward", feed_forward), ("rotate", rotate), ("affine", affine)):
        setattr(Ops, name, staticmethod(torch.compile(function, dynamic=True)))


def sdpa(q, k, v, mask=None):
    """Scaled dot-product attention over [batch, heads, length, width]; long batches go in slices."""
    if q.device.type == "cpu" or q.shape[0] <= MAX_SEQUENCES:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    shared = mask is None or mask.dim() == 2
    parts = [
        F.scaled_dot_product_attention(
            q[i:i + MAX_SEQUENCES], k[i:i + MAX_SEQUENCES], v[i:i + MAX_SEQUENCES],
            attn_mask=mask if shared else mask[i:i + MAX_SEQUENCES])
        for i in range(0, q.shape[0], MAX_SEQUENCES)
    ]
    return torch.cat(parts)


class Attention(nn.Module):
    """Multi-head attention with packed projections."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def split(self, x):
        """[N, L, d] -> [N, heads, L, dh]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def queries(self, x):
        """Project queries."""
        d = x.shape[-1]
        return self.split(F.linear(x, self.in_proj_weight[:d], self.in_proj_bias[:d]))

    def keys_values(self, x):
        """Project keys and values."""
        d = x.shape[-1]
        k, v = F.linear(x, self.in_proj_weight[d:], self.in_proj_bias[d:]).chunk(2, -1)
        return self.split(k), self.split(v)

    def forward(self, q, kv, rope=None, mask=None):
        """q [N or 1, Lq, d], kv [N, Lk, d] -> [N, Lq, d]. rope = (cos, sin) for the longer of both."""
        if q is kv:
            qh, kh, vh = map(self.split, F.linear(q, self.in_proj_weight, self.in_proj_bias).chunk(3, -1))
        else:
            qh, (kh, vh) = self.queries(q), self.keys_values(kv)
        if rope is not None:
            cos, sin = rope
            qh = Ops.rotate(qh, cos[:qh.shape[-2]], sin[:qh.shape[-2]])
            kh = Ops.rotate(kh, cos, sin)
        if qh.shape[0] != kh.shape[0]:
            qh = qh.expand(kh.shape[0], -1, -1, -1)
        return self.out_proj(sdpa(qh, kh, vh, mask).transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """Pre-norm attention block: one norm serves queries, keys and values."""

    def __init__(self, dim, heads, factor, attention="attn"):
        super().__init__()
        self.attention = attention
        setattr(self, attention, Attention(dim, heads))
        self.linear1 = nn.Linear(dim, factor * dim)
        self.linear2 = nn.Linear(factor * dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)

    def feed_forward(self, x):
        """The second half of the block."""
        y = Ops.feed_forward(x.flatten(0, -2), self.norm2.weight, self.norm2.bias, self.linear1.weight,
                             self.linear1.bias, self.linear2.weight, self.linear2.bias)
        return y.view(x.shape)

    def forward(self, q, kv, rope=None, mask=None):
        """Queries read kv; q [1, Lq, d] is broadcast over the batch of kv."""
        qn = self.norm1(q)
        kvn = qn if q is kv else self.norm1(kv)
        return self.feed_forward(q + getattr(self, self.attention)(qn, kvn, rope, mask))

    def forward_self(self, x, queries=None, keys=None, rope=None, mask=None):
        """Self-attention in which only rows `queries` (a slice) ask and only the first `keys` rows are read."""
        xn = self.norm1(x)
        qn, q = (xn, x) if queries is None else (xn[:, queries], x[:, queries])
        kn = xn if keys is None else xn[:, :keys]
        return self.feed_forward(q + getattr(self, self.attention)(qn, kn, rope, mask))
