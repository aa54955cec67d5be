"""The row interactor: features of a row are grouped at several scales and summarised by CLS tokens."""

import math

import torch
from torch import nn

from .layers import Block, affine_norm


def draw_links(config, lengths, generator=None):
    """Random links of every scale: a list of [K, r] index tensors (None where none are drawn).

    lengths: number of grouped tokens per scale, ascending scales. Without a generator torch's global one is used.
    """
    links = []
    for k in lengths:
        if config.row_num_random > 0 and k > 1:
            rows = [torch.randperm(k, generator=generator)[:config.row_num_random] for _ in range(k)]
            links.append(torch.stack(rows))
        else:
            links.append(None)
    return links


def build_mask(config, k, links):
    """Who sees whom in a row sequence of k grouped tokens: bool [S + k, S + k], or None if everybody sees everybody."""
    s = config.specials
    index = torch.arange(s + k)
    i, j = index[:, None], index[None, :]
    allow = (i < s) | (j < s) | (i == j)
    if config.mode == "filigree" and config.row_window > 0:
        allow |= (i - j).abs() <= config.row_window
    if links is not None:
        allow[s + torch.arange(k)[:, None], s + links] = True
    return None if bool(allow.all()) else allow


class Pooling(nn.Module):
    """Single-head attention pooling of the features; positions sit on the queries only."""

    def __init__(self, dim):
        super().__init__()
        self.seed = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.q_proj, self.k_proj, self.v_proj = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x, groups, counts=None):
        """x [B, T, H, E] -> [B, T, groups, E]."""
        e = x.shape[-1]
        w = torch.exp(torch.arange(0, e, 2, device=x.device) * (-math.log(10000.0) / e))
        angle = torch.arange(groups, device=x.device)[:, None] * w
        position = torch.stack((angle.sin(), angle.cos()), -1).flatten(1)
        q = self.q_proj(self.seed[0] + position)
        scores = (self.k_proj(x) @ q.T / math.sqrt(e)).transpose(-1, -2)
        if counts is not None:
            scores = scores.masked_fill(torch.arange(x.shape[2], device=x.device) >= counts[:, None, None, None], -math.inf)
        return torch.softmax(scores, -1) @ self.v_proj(x)


def group_mean(x, scale, filigree, counts=None):
    """Mean of consecutive features; x [B, T, H, E] -> [B, T, ceil(H / scale), E].

    With counts, or in filigree mode, the divisor is the number of real features; else it is always `scale`.
    """
    if scale == 1:
        return x
    b, t, h, e = x.shape
    k = -(-h // scale)
    if filigree and counts is None:
        full = h // scale
        parts = [x[:, :, :full * scale].reshape(b, t, full, scale, e).mean(3)] if full else []
        if full < k:
            parts.append(x[:, :, full * scale:].mean(2, keepdim=True))
        return torch.cat(parts, 2) if len(parts) > 1 else parts[0]
    x = torch.cat((x, x.new_zeros(b, t, k * scale - h, e)), 2) if k * scale > h else x
    total = x.reshape(b, t, k, scale, e).sum(3)
    if counts is None:
        return total / scale
    start = torch.arange(k, device=x.device) * scale
    real = (counts[:, None] - start).clamp(0, scale).to(x.dtype).clamp_min(1e-6)
    return total / real[:, None, :, None]


class ScaleEncoder(nn.Module):
    """Row transformer of one scale, with rotary positions over the whole sequence."""

    def __init__(self, config):
        super().__init__()
        width = config.embed_dim // config.row_nhead
        self.cls = config.row_num_cls
        self.blocks = nn.ModuleList(Block(config.embed_dim, config.row_nhead, config.ff_factor) for _ in range(config.blocks_per_scale))
        self.rope = nn.Module()
        freqs = config.row_rope_base ** (-torch.arange(0, width, 2).float() / width)
        self.rope.freqs = nn.Parameter(freqs, requires_grad=False)

    def forward(self, x, mask, stages=None, name=""):
        """x [N, L, E] -> CLS tokens [N, C, E]; the last block computes nothing else."""
        angle = torch.arange(x.shape[1], device=x.device)[:, None] * self.rope.freqs.float()
        rope = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        for i, block in enumerate(self.blocks):
            last = i == len(self.blocks) - 1
            m = mask if mask is None or not last else mask[..., :self.cls, :] if mask.shape[-2] > 1 else mask
            x = block.forward_self(x, slice(self.cls) if last else None, rope=rope, mask=m)
            if stages is not None:
                stages[f"{name}.block{i}"] = x.detach()
        return x


class RowInteractor(nn.Module):
    """Cell vectors of a row -> one vector of width C * E."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        e = config.embed_dim
        self.cls_tokens = nn.Parameter(torch.empty(config.row_num_cls, e))
        self.global_tokens = nn.Parameter(torch.empty(config.row_num_global, e))
        nn.init.trunc_normal_(self.cls_tokens, std=0.02)
        nn.init.trunc_normal_(self.global_tokens, std=0.02)
        self.pma = Pooling(e)
        self.scale_encoders = nn.ModuleList(ScaleEncoder(config) for _ in config.row_scales)
        self.out_ln = nn.LayerNorm(e)

    def masks(self, features):
        """One mask per scale (see build_mask); official mode takes its links from the global generator."""
        c = self.config
        lengths = [-(-features // g) for g in c.row_scales]
        generator = torch.Generator().manual_seed(c.link_seed) if c.mode == "filigree" else None
        return [build_mask(c, k, l) for k, l in zip(lengths, draw_links(c, lengths, generator))]

    def forward(self, cells, counts=None, stages=None):
        """cells [B, T, H, E] -> [B, T, C * E]."""
        c = self.config
        b, t, h, e = cells.shape
        specials = torch.cat((self.cls_tokens, self.global_tokens)).expand(b, t, -1, -1)
        total = 0
        for s, (g, mask) in enumerate(zip(c.row_scales, self.masks(h))):
            k = -(-h // g)
            if c.row_group_mode == "pma":
                grouped = self.pma(cells, k, counts)
            else:
                grouped = group_mean(cells, g, c.mode == "filigree", counts)
            seq = torch.cat((specials, grouped), 2)
            if mask is not None:
                mask = mask.to(cells.device)
            if stages is not None:
                full = torch.ones(c.specials + k, c.specials + k, dtype=torch.bool) if mask is None else mask
                stages[f"mask.scale{g}"] = full
                stages[f"row.scale{g}.seq"] = seq.detach()
            if counts is not None:
                visible = torch.arange(c.specials + k, device=cells.device) < c.specials + torch.ceil(counts / g)[:, None]
                visible = visible[:, None, None, :] if mask is None else visible[:, None, None, :] & mask
                mask = visible.repeat_interleave(t, 0)
            cls = self.scale_encoders[s](seq.view(b * t, -1, e), mask, stages, f"row.scale{g}")
            total = total + cls
        return affine_norm(self.out_ln, total / len(c.row_scales)).reshape(b, t, -1)
