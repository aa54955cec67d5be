"""What makes columns look real: warps, rounding, categories, noise and copies, missing cells."""

import torch

from .draws import mixed_noise, standardize, take


def warp(draw, rng, x):
    """Some columns become skewed, heavy-tailed, cut off at zero or rounded."""
    b, _, h = x.shape
    kind = torch.where(draw.chance(rng.choice((0.1, 0.4, 0.9)), b, 1, h), draw.integers(5, b, 1, h), -1)
    z = standardize(x)
    strength = 0.4 + 0.8 * draw.uniform(b, 1, h)
    steps = 1 + 8 * draw.uniform(b, 1, h)
    x = torch.where(kind == 0, torch.exp(strength * z.clamp(-6, 6)), x)
    x = torch.where(kind == 1, z.sign() * z.abs() ** (1 + strength), x)
    x = torch.where(kind == 2, torch.relu(z + 1.5 * draw.normal(b, 1, h)), x)
    x = torch.where(kind == 3, torch.round(z * steps), x)
    return torch.where(kind == 4, torch.tanh(2 * strength * z), x)


def categorize(draw, rng, x):
    """Some columns become ordinal codes, with their order kept or shuffled."""
    b, _, h = x.shape
    levels = 2 + (draw.log_uniform(0.5, 14, b, 1, h)).long()
    share = 0.5 * (1 + torch.erf(standardize(x) / 1.4142 + 0.3 * draw.normal(b, 1, h)))
    codes = torch.minimum((share * levels).long(), levels - 1).clamp_min(0)
    shuffled = draw.permutations(16, b, h).transpose(1, 2).gather(1, codes)
    codes = torch.where(draw.chance(0.6, b, 1, h), shuffled, codes)
    return torch.where(draw.chance(rng.uniform(0.1, 1.0), b, 1, h), codes.float(), x)


def distract(draw, rng, x):
    """Some columns become pure noise, or noisy copies of others."""
    b, t, h = x.shape
    if rng.random() < 0.5:
        x = torch.where(draw.chance(rng.uniform(0.0, 0.7), b, 1, h), mixed_noise(draw, rng, b, t, h), x)
    else:
        copies = take(standardize(x), draw.integers(h, b, h))
        copies = copies + rng.choice((0.01, 0.1, 0.5)) * draw.normal(b, t, h)
        x = torch.where(draw.chance(rng.uniform(0.0, 0.6), b, 1, h), copies, x)
    return x


def drop_cells(draw, rng, x, train):
    """Missing cells, filled with the column's mean over the train rows that have it."""
    b, t, h = x.shape
    rate = rng.uniform(0.0, 0.4) * draw.uniform(b, 1, h) * draw.chance(rng.uniform(0.2, 1.0), b, 1, h)
    gone = draw.uniform(b, t, h) < rate
    seen = (~gone[:, :train]).float()
    mean = (x[:, :train] * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp_min(1)
    return torch.where(gone, mean, x)


def roughen(draw, rng, x, train):
    """All of the above, each in a share of the groups."""
    if rng.random() < 0.5:
        x = warp(draw, rng, x)
    if rng.random() < 0.35 and x.shape[2] > 2:
        x = distract(draw, rng, x)
    if rng.random() < 0.3:
        x = categorize(draw, rng, x)
    if rng.random() < 0.2:
        x = drop_cells(draw, rng, x, train)
    return x
