"""What a training step looks like: table sizes, number of tables, difficulty. Decided on the host, from step and progress."""

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Ranges of the training tables."""

    rows: tuple = (64, 1024)
    features: tuple = (2, 100)
    classes: int = 10
    cells: int = 1_500_000
    tables: int = 512
    ramp: tuple = (0.05, 0.25)


@dataclass(frozen=True)
class Shape:
    """One step: B tables of T rows and H features, n of them train rows; kinds of tables as a list of (kind, classes)."""

    tables: int
    rows: int
    train: int
    features: int
    groups: tuple


def log_uniform(rng, low, high):
    """A float, uniform in its logarithm."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def mixture(progress, ramp):
    """Weights of the table kinds at this progress (0..1)."""
    easy = 0.8 - 0.55 * min(1.0, max(0.0, (progress - ramp[0]) / (ramp[1] - ramp[0])))
    rest = 1.0 - easy
    return {"clusters": easy, "mlp": 0.65 * rest, "tree": 0.35 * rest}


def draw_shape(rng, progress, limits=Limits()):
    """Curriculum: small tables with few classes first, everything after the ramp, rather long tables at the end."""
    start, full = limits.ramp
    open_share = min(1.0, max(0.0, (progress - start) / (full - start)))
    low_rows, high_rows = limits.rows
    high_rows = int(min(256, high_rows) + open_share * (high_rows - min(256, high_rows)))
    if progress > 0.8:
        low_rows = min(2 * low_rows, high_rows)
    high_features = int(min(20, limits.features[1]) + open_share * (limits.features[1] - min(20, limits.features[1])))
    max_classes = limits.classes if open_share > 0.3 else min(4, limits.classes)
    rows = round(log_uniform(rng, low_rows, high_rows))
    features = round(log_uniform(rng, limits.features[0], high_features))
    train = max(12, round(rows * rng.uniform(0.3, 0.9)))
    tables = max(4, min(limits.tables, limits.cells // (rows * (features + 8))))
    count = min(8, max(2, tables // 4))
    size = max(1, tables // count)
    weights = mixture(progress, limits.ramp)
    groups = []
    for _ in range(count):
        kind = rng.choices(list(weights), list(weights.values()))[0]
        classes = 2 if rng.random() < 0.25 else rng.randint(2, max_classes)
        groups.append((kind, min(classes, max(2, train // 6))))
    return Shape(size * count, rows, train, features, tuple(groups))


def step_rng(seed, step):
    """Host generator of a step: the same on every rank, whatever happened before."""
    return random.Random(seed * 1_000_003 + step)
