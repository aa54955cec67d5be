"""The latent memory between row vectors and in-context prediction."""

import torch
from torch import nn

from .layers import Block


class CrossBlock(nn.Module):
    """Queries read kv, then a full self-attention layer follows."""

    def __init__(self, config):
        super().__init__()
        d = config.icl_dim
        self.q_norm, self.kv_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn = Block(d, config.icl_nhead, config.ff_factor)
        self.ffn = Block(d, config.icl_nhead, config.ff_factor, "self_attn")

    def forward(self, q, kv, keys=None, stages=None, name=""):
        """keys: how many leading rows the self-attention may read (all if None)."""
        a = self.attn(self.q_norm(q), self.kv_norm(kv))
        if stages is not None:
            stages[f"{name}.attn"] = a.detach()
        out = self.ffn.forward_self(a + q, keys=keys)
        if stages is not None:
            stages[name] = out.detach()
        return out


class Memory(nn.Module):
    """Latents are written from train rows, then all rows are replaced by what they read from the latents."""

    def __init__(self, config):
        super().__init__()
        self.filigree = config.mode == "filigree"
        self.latents = nn.Parameter(torch.empty(config.perc_num_latents, config.icl_dim))
        nn.init.trunc_normal_(self.latents, std=0.02)
        self.write_layers = nn.ModuleList(CrossBlock(config) for _ in range(config.perc_layers))
        self.read_layers = nn.ModuleList(CrossBlock(config) for _ in range(config.perc_layers))

    def forward(self, rows, train, stages=None):
        """rows [B, T, D]. Official reads let all rows see each other; in filigree mode only train rows are seen."""
        latents = self.latents.expand(rows.shape[0], -1, -1)
        for i, layer in enumerate(self.write_layers):
            latents = layer(latents, rows[:, :train], None, stages, f"mem.write{i}")
        for i, layer in enumerate(self.read_layers):
            rows = layer(rows, latents, train if self.filigree else None, stages, f"mem.read{i}")
        return rows
