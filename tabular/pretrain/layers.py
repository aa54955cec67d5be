"""Attention blocks shared by all parts of the network, with the parameter names of the official checkpoints."""

import torch
import torch.nn.functional as F
from torch import nn

# Grids of the attention kernels on CUDA are limited to 65535 sequences.
MAX_SEQUENCES = 32768


def feed_forward(x, w1, b1, w2, b2):
    """x + linear2(gelu(linear1(norm(x)))) on a matrix of rows; the norm's weight and bias are folded into linear1."""
    h = F.layer_norm(x, x.shape[-1:])
    return x + F.linear(F.gelu(F.linear(h, w1, b1)), w2, b2)


def fold(norm, weight, bias):
    """Weight and bias of a linear layer that takes over the affine part of the norm in front of it.

    On a GPU the gradient of a norm's own weight over millions of short vectors is slower than all the rest of the block.
    """
    return weight * norm.weight, bias + weight @ norm.bias


def affine_norm(norm, x):
    """A norm whose affine part is an ordinary product, for the same reason."""
    return F.layer_norm(x, x.shape[-1:]) * norm.weight + norm.bias


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

    def forward(self, norm, q, kv, rope=None, mask=None):
        """q [N or 1, Lq, d], kv [N, Lk, d], normalised up to the affine part of `norm` -> [N, Lq, d].

        rope = (cos, sin) for the longer of both.
        """
        d = q.shape[-1]
        weight, bias = fold(norm, self.in_proj_weight, self.in_proj_bias)
        if q is kv:
            qh, kh, vh = map(self.split, F.linear(q, weight, bias).chunk(3, -1))
        else:
            qh = self.split(F.linear(q, weight[:d], bias[:d]))
            kh, vh = map(self.split, F.linear(kv, weight[d:], bias[d:]).chunk(2, -1))
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
        w1, b1 = fold(self.norm2, self.linear1.weight, self.linear1.bias)
        y = Ops.feed_forward(x.flatten(0, -2), w1, b1, self.linear2.weight, self.linear2.bias)
        return y.view(x.shape)

    def attend(self, q, qn, kn, rope, mask):
        """Residual attention of normalised inputs, then the second half."""
        return self.feed_forward(q + getattr(self, self.attention)(self.norm1, qn, kn, rope, mask))

    def forward(self, q, kv, rope=None, mask=None):
        """Queries read kv; q [1, Lq, d] is broadcast over the batch of kv."""
        qn = F.layer_norm(q, q.shape[-1:])
        return self.attend(q, qn, qn if q is kv else F.layer_norm(kv, kv.shape[-1:]), rope, mask)

    def forward_self(self, x, queries=None, keys=None, rope=None, mask=None):
        """Self-attention in which only rows `queries` (a slice) ask and only the first `keys` rows are read."""
        xn = F.layer_norm(x, x.shape[-1:])
        qn, q = (xn, x) if queries is None else (xn[:, queries], x[:, queries])
        return self.attend(q, qn, xn if keys is None else xn[:, :keys], rope, mask)
