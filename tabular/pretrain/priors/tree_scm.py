"""Targets (and sometimes features) that are sums of random decision trees."""

import math

import torch

from .draws import mixed_noise, standardize, take
from .labels import argmax_labels, cut_labels


def forest(draw, x, trees, depth, outputs):
    """Sum of random trees over x [b, t, h] -> [b, t, outputs]. Thresholds are random values of the tested feature."""
    b, t, h = x.shape
    nodes = 2 ** depth - 1
    feature = draw.integers(h, b, trees * nodes)
    row = draw.integers(t, b, trees * nodes)
    # Thresholds nearer to the middle cut off fewer tiny leaves.
    value = x.gather(1, row[:, :, None].expand(-1, -1, h)).gather(2, feature[:, :, None])[:, :, 0] * 0.8
    base = torch.arange(trees, device=x.device) * nodes
    node = torch.zeros(b, t, trees, dtype=torch.long, device=x.device)
    for _ in range(depth):
        index = (base + node).flatten(1)
        tested = x.gather(2, feature.gather(1, index).view(b, t, trees))
        node = 2 * node + 1 + (tested > value.gather(1, index).view(b, t, trees)).long()
    leaf = (torch.arange(trees, device=x.device) * 2 ** depth + node - nodes).flatten(1)
    leaves = draw.normal(b, trees * 2 ** depth, outputs)
    out = leaves.gather(1, leaf[:, :, None].expand(-1, -1, outputs))
    return out.view(b, t, trees, outputs).sum(2)


def tree_scm(draw, rng, b, t, h, k):
    """b tables of k classes: features [b, t, h] and labels [b, t]."""
    x = mixed_noise(draw, rng, b, t, h)
    if rng.random() < 0.4:
        w = draw.normal(b, h, h) * draw.chance(rng.uniform(0.05, 0.5), b, h, h)
        x = standardize(x + rng.uniform(0.3, 1.5) * x @ w / math.sqrt(h))
    elif rng.random() < 0.4:
        causes = mixed_noise(draw, rng, b, t, rng.randint(2, 10))
        noise = math.exp(rng.uniform(math.log(0.01), math.log(0.5)))
        x = standardize(forest(draw, causes, rng.randint(2, 6), rng.randint(1, 3), h)) + noise * draw.normal(b, t, h)
    # Few features decide in most real tables.
    relevant = rng.randint(1, h)
    inputs = take(x, draw.permutations(h, b)[:, :relevant]) if rng.random() < 0.5 else x
    trees, depth = 1 + min(15, int(rng.expovariate(0.25))), rng.randint(1, 5)
    if k > 2 and rng.random() < 0.6:
        return x, argmax_labels(draw, rng, forest(draw, inputs, trees, depth, k))
    score = forest(draw, inputs, trees, depth, 1)[:, :, 0]
    return x, cut_labels(draw, rng, score + 0.02 * draw.normal(b, t), k)
