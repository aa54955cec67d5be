"""A training batch: groups of tables from the different priors, roughened and preprocessed."""

import random
from dataclasses import dataclass

import torch

from .clusters import clusters
from .columns import roughen
from .draws import Draw
from .labels import compact_labels
from .mlp_scm import mlp_scm
from .preprocess import prepare
from .tree_scm import tree_scm

PRIORS = {"clusters": clusters, "mlp": mlp_scm, "tree": tree_scm}


@dataclass(frozen=True)
class Batch:
    """x [B, T, H]; labels [B, T] (-100: not scored); real [B, classes]: outputs that exist in the table."""

    x: torch.Tensor
    labels: torch.Tensor
    real: torch.Tensor
    train: int


def draw_batch(shape, device, seed, classes=10):
    """All tables of a step on one rank, a function of shape and seed alone (per kind of device)."""
    rng = random.Random(seed)
    draw = Draw(device, seed)
    size = shape.tables // len(shape.groups)
    xs, ys = [], []
    for kind, k in shape.groups:
        x, y = PRIORS[kind](draw, rng, size, shape.rows, shape.features, k)
        xs.append(roughen(draw, rng, torch.nan_to_num(x), shape.train))
        ys.append(y)
    x, y = torch.cat(xs), torch.cat(ys)
    labels, real = compact_labels(draw, y, shape.train, classes)
    power = draw.chance(0.4, x.shape[0], 1, 1)
    return Batch(prepare(x, shape.train, power), labels, real, shape.train)
