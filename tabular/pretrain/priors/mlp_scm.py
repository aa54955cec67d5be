"""Structural causal models made of random layers: features and target are units of one random network."""

import math

import torch

from .draws import activate, mixed_noise, standardize, take
from .labels import argmax_labels, cut_labels


def layer(draw, rng, x, width):
    """A random sparse linear map [b, t, n] -> [b, t, width]."""
    b, _, n = x.shape
    w = draw.normal(b, n, width)
    style = rng.random()
    if style < 0.5:
        keep = draw.chance(rng.uniform(0.1, 1.0), b, n, width)
        w = w * keep
    elif style < 0.7:
        blocks = rng.randint(1, max(1, math.isqrt(min(n, width))))
        rows = torch.arange(n, device=w.device) * blocks // n
        columns = torch.arange(width, device=w.device) * blocks // width
        w = w * (rows[:, None] == columns[None, :])
    return x @ w / math.sqrt(n)


def target(draw, rng, hidden, k):
    """Labels from the units [b, t, n] that cause them."""
    b, _, n = hidden.shape
    if k > 2 and rng.random() < 0.55:
        return argmax_labels(draw, rng, layer(draw, rng, hidden, k))
    if rng.random() < 0.5:
        return cut_labels(draw, rng, layer(draw, rng, hidden, 1)[:, :, 0], k)
    return cut_labels(draw, rng, take(hidden, draw.integers(n, b, 1))[:, :, 0], k)


def mlp_scm(draw, rng, b, t, h, k):
    """b tables of k classes: features [b, t, h] and labels [b, t]."""
    causal = rng.random() < 0.6
    depth = 1 + min(5, int(rng.expovariate(0.6)))
    noise = math.exp(rng.uniform(math.log(1e-3), math.log(0.3)))
    causes = mixed_noise(draw, rng, b, t, rng.randint(1, 12) if causal else h)
    if not causal and rng.random() < 0.4:
        # Correlated features.
        causes = standardize(causes + rng.uniform(0.3, 1.5) * layer(draw, rng, causes, h))
    width = max(8, math.ceil(1.5 * h / depth)) + rng.randint(0, 32) if causal else rng.randint(4, 64)
    units, x = [], causes
    for _ in range(depth):
        x = activate(draw, rng, layer(draw, rng, x, width))
        x = standardize(x) + noise * draw.normal(b, t, width)
        units.append(x)
    if not causal:
        return causes, target(draw, rng, x, k)
    y = target(draw, rng, units[rng.randrange(depth)] if rng.random() < 0.5 else x, k)
    pool = torch.cat(units, 2)
    if pool.shape[2] < h:
        pool = torch.cat((pool, mixed_noise(draw, rng, b, t, h - pool.shape[2])), 2)
    if rng.random() < 0.3:
        start = draw.integers(pool.shape[2] - h + 1, b, 1)
        return take(pool, start + torch.arange(h, device=x.device)), y
    return take(pool, draw.permutations(pool.shape[2], b)[:, :h]), y
