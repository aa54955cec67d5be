"""A Llama decoder with the parameter names of its checkpoints."""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .words import VOCABULARY


@dataclass
class Config:
    """Sizes; the defaults are the model that ships."""
    hidden: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    mlp: int = 768
    theta: float = 1e7
    eps: float = 1e-5
    vocabulary: int = VOCABULARY
    dropout: float = 0.0

    def to_dict(self):
        """A JSON-able object."""
        return asdict(self)


def rotate(x, cos, sin):
    """Rotary embedding of half-split pairs in float32; x [B, heads, L, D], cos and sin [L, D / 2]."""
    a, b = x.float().chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)


class Norm(nn.Module):
    """Root-mean-square norm."""

    def __init__(self, size, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        """Over the last axis."""
        return F.rms_norm(x, x.shape[-1:], self.weight, self.eps)


class Attention(nn.Module):
    """Causal attention with fewer key than query heads."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        self.q_proj = nn.Linear(c.hidden, c.heads * c.head_dim, bias=False)
        self.k_proj = nn.Linear(c.hidden, c.kv_heads * c.head_dim, bias=False)
        self.v_proj = nn.Linear(c.hidden, c.kv_heads * c.head_dim, bias=False)
        self.o_proj = nn.Linear(c.heads * c.head_dim, c.hidden, bias=False)

    def forward(self, x, cos, sin):
        """x [B, L, hidden]."""
        q, k, v = (p(x).unflatten(-1, (-1, self.c.head_dim)).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        group = self.c.heads // self.c.kv_heads
        k, v = (F.dropout(x, self.c.dropout, self.training).repeat_interleave(group, 1) for x in (rotate(k, cos, sin), v))
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """SwiGLU."""

    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden, c.mlp, bias=False)
        self.up_proj = nn.Linear(c.hidden, c.mlp, bias=False)
        self.down_proj = nn.Linear(c.mlp, c.hidden, bias=False)

    def forward(self, x):
        """x [B, L, hidden]."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Pre-norm block."""

    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = Norm(c.hidden, c.eps), Norm(c.hidden, c.eps)
        self.self_attn, self.mlp = Attention(c), Mlp(c)

    def forward(self, x, cos, sin):
        """x [B, L, hidden]."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """The whole network; its head is the embedding matrix."""

    def __init__(self, c=Config()):
        super().__init__()
        self.config = c
        self.embed_tokens = nn.Embedding(c.vocabulary, c.hidden)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.norm = Norm(c.hidden, c.eps)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                # Scores of attention begin near 1, so that it is not flat; what is added to the residual stream begins small.
                last = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(p, std=0.02 / (2 * c.layers) ** 0.5 if last else c.hidden ** -0.5)

    def forward(self, ids, columns=None):
        """Logits [B, L, vocabulary], or of the given columns only (any shape)."""
        c = self.config
        angle = torch.arange(ids.shape[1], device=ids.device, dtype=torch.float64)[:, None] * c.theta ** (
            -torch.arange(0, c.head_dim, 2, device=ids.device, dtype=torch.float64) / c.head_dim)
        cos, sin = angle.cos().float(), angle.sin().float()
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        if columns is not None:
            x = x[:, columns]
        return F.linear(self.norm(x), self.embed_tokens.weight)
