"""The network in its two modes: `official` (the behaviour of the official code) and `filigree` (ours)."""

import torch
import torch.nn.functional as F
from torch import nn

from .layers import Block, Ops, affine_norm
from .memory import Memory
from .rows import RowInteractor

SKIP = -100.0


def record(stages, name, value):
    """Keep a stage tensor if the caller asked for stages."""
    if stages is not None:
        stages[name] = value.detach()


class InducedBlock(nn.Module):
    """Inducing points read the train rows of a column, then every row reads the inducing points."""

    def __init__(self, config):
        super().__init__()
        e, h, f = config.embed_dim, config.col_nhead, config.ff_factor
        self.ind_vectors = nn.Parameter(torch.empty(config.col_num_inds, e))
        nn.init.trunc_normal_(self.ind_vectors, std=0.02)
        self.multihead_attn1 = Block(e, h, f)
        self.multihead_attn2 = Block(e, h, f)

    def forward(self, src, train):
        """src [columns, T, E]."""
        hidden = self.multihead_attn1(self.ind_vectors.unsqueeze(0), src[:, :train])
        return self.multihead_attn2(src, hidden)


class ColumnEmbedder(nn.Module):
    """Every column is a set of scalars; gives one vector per cell."""

    def __init__(self, config):
        super().__init__()
        e = config.embed_dim
        self.in_linear = nn.Linear(1, e)
        self.tf_col = nn.Module()
        self.tf_col.blocks = nn.ModuleList(InducedBlock(config) for _ in range(config.col_num_blocks))
        self.out_w, self.out_b = nn.Linear(e, e), nn.Linear(e, e)
        self.ln_w, self.ln_b = nn.LayerNorm(e), nn.LayerNorm(e)

    def forward(self, x, train):
        """x [columns, T] -> [columns, T, E]; statistics come from the first `train` rows."""
        src = Ops.affine(x, self.in_linear.weight.squeeze(1), self.in_linear.bias)
        # Training data never hold the skip value, and looking for it would stall the device.
        skip = None if self.training and x.is_cuda else x == SKIP
        if skip is not None and bool(skip.any()):
            src = torch.where(skip.unsqueeze(-1), SKIP, src)
            whole = skip.all(1)[:, None, None]
        else:
            skip = None
        for block in self.tf_col.blocks:
            out = block(src, train)
            src = out if skip is None else torch.where(whole, src, out)
        weights, biases = self.out_w(src), self.out_b(src)
        if skip is not None:
            weights, biases = torch.where(whole, SKIP, weights), torch.where(whole, SKIP, biases)
        return Ops.affine(x, affine_norm(self.ln_w, weights), affine_norm(self.ln_b, biases))


class Predictor(nn.Module):
    """Rows with labels are the context; test rows read them and are decoded to class scores."""

    def __init__(self, config):
        super().__init__()
        d = config.icl_dim
        self.mode, self.classes = config.mode, config.max_classes
        if config.perc_num_latents:
            self.memory = Memory(config)
        self.tf_icl = nn.Module()
        self.tf_icl.blocks = nn.ModuleList(Block(d, config.icl_nhead, config.ff_factor) for _ in range(config.icl_num_blocks))
        self.ln = nn.LayerNorm(d)
        self.y_encoder = nn.Linear(config.max_classes, d)
        self.decoder = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, config.max_classes))

    def forward(self, rows, labels, stages=None):
        """rows [B, T, D], labels [B, n] -> logits [B, T - n, max_classes]."""
        n = labels.shape[1]
        if hasattr(self, "memory"):
            rows = self.memory(rows, n, stages)
        y = self.y_encoder(F.one_hot(labels, self.classes).to(rows.dtype))
        src = torch.cat((rows[:, :n] + y, rows[:, n:]), 1)
        record(stages, "icl.src", src)
        for i, block in enumerate(self.tf_icl.blocks):
            # Nothing reads the train rows of the last block.
            last = i == len(self.tf_icl.blocks) - 1
            src = block.forward_self(src, queries=slice(n, None) if last else None, keys=n)
            record(stages, f"icl.block{i}", src)
        return self.decoder(affine_norm(self.ln, src))


class OrionMSP(nn.Module):
    """The whole network; parameter names are those of the official checkpoints."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.col_embedder = ColumnEmbedder(config)
        self.row_interactor = RowInteractor(config)
        self.icl_predictor = Predictor(config)

    def init_for_training(self, residual=0.3):
        """Small random instead of zero residual branches, so that gradients reach every layer from the first step."""
        for name, p in self.named_parameters():
            if name.endswith(("out_proj.weight", "linear2.weight")):
                nn.init.normal_(p, std=residual / p.shape[1] ** 0.5)
            elif name.endswith(("out_proj.bias", "linear2.bias", "linear1.bias")):
                nn.init.zeros_(p)
        return self

    def embed(self, x, train, counts=None):
        """x [B, T, H] -> cell vectors [B, T, H, E]; columns at or past counts[b] become zero."""
        b, t, h = x.shape
        cells = self.col_embedder(x.transpose(1, 2).reshape(b * h, t).contiguous(), train)
        cells = cells.view(b, h, t, -1).transpose(1, 2)
        if counts is not None:
            cells = cells * (torch.arange(h, device=x.device) < counts[:, None])[:, None, :, None]
        return cells

    def rows(self, x, train, counts=None, stages=None):
        """x [B, T, H] -> row vectors [B, T, D]; labels play no part."""
        cells = self.embed(x, train, counts)
        record(stages, "cells", cells)
        out = self.row_interactor(cells, counts, stages)
        record(stages, "row.R", out)
        return out

    def forward(self, x, y_train, d=None, embed_with_test=False, return_logits=True, softmax_temperature=0.9, stages=None):
        """Class scores of the test rows.

        x [B, T, H] float32 with the n train rows first, y_train [B, n] with labels 0..k-1, d [B] real feature counts
        (training mode only). In training mode all max_classes logits come back, otherwise the first k.
        Official mode draws its links from torch's global generator.
        """
        n = y_train.shape[1]
        labels = y_train.long()
        counts = d if d is not None and self.training and len(d) > 1 and bool((d != x.shape[2]).any()) else None
        rows = self.rows(x, x.shape[1] if embed_with_test else n, counts, stages)
        logits = self.icl_predictor(rows, labels, stages)
        if self.training:
            return logits
        k = len(torch.unique(labels[0]))
        if k > self.config.max_classes:
            raise ValueError(f"At most {self.config.max_classes} classes are supported here, got {k}")
        logits = logits[..., :k]
        return logits if return_logits else torch.softmax(logits / softmax_temperature, -1)
