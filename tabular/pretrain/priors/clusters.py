"""Classes as clouds of points in a latent space that the features look into."""

import math

import torch

from .draws import activate, mixed_noise, standardize, take
from .labels import class_weights


def clusters(draw, rng, b, t, h, k):
    """b tables of k classes: features [b, t, h] and labels [b, t]."""
    # Every class has one to three clouds.
    m = rng.choice((1, 1, 1, 2, 3))
    d = rng.randint(1, max(1, min(h, 24)))
    if rng.random() < 0.3:
        d = min(h, 64)
    part = draw.categories(class_weights(draw, rng, b, k * m), t)
    # Distance between two clouds in units of their width, whatever the number of dimensions.
    distance = math.exp(rng.uniform(math.log(1.2), math.log(9.0)))
    centre = draw.normal(b, k * m, d) * distance / math.sqrt(2 * d)
    if rng.random() < 0.4:
        centre = centre * torch.exp(0.8 * draw.normal(b, 1, d))
    width = torch.exp(rng.choice((0.0, 0.3, 0.6)) * draw.normal(b, k * m, d))
    index = part[:, :, None].expand(-1, -1, d)
    z = draw.normal(b, t, d)
    if rng.random() < 0.5:
        z = z @ (torch.eye(d, device=z.device) + rng.choice((0.3, 0.8)) * draw.normal(b, d, d) / math.sqrt(d))
    z = z * width.gather(1, index) + centre.gather(1, index)
    y = part % k
    if rng.random() < 0.15:
        wrong = draw.chance(rng.uniform(0.0, 0.2), b, t)
        y = torch.where(wrong, draw.integers(k, b, t), y)
    return look(draw, rng, z, h), y


def look(draw, rng, z, h):
    """h features that depend on the latent z [b, t, d]: directly, linearly or through a small network."""
    b, t, d = z.shape
    style = rng.random()
    if style < 0.4:
        free = mixed_noise(draw, rng, b, t, h - d) if h > d else z[:, :, :0]
        if rng.random() < 0.5 and h > d:
            copies = take(z, draw.integers(d, b, h - d)) * torch.exp(0.3 * draw.normal(b, 1, h - d))
            keep = draw.chance(rng.random(), b, 1, h - d)
            free = torch.where(keep, copies + 0.3 * free, free)
        x = torch.cat((z, free), 2)
        return take(x, draw.permutations(h, b))
    noise = math.exp(rng.uniform(math.log(0.02), math.log(0.6)))
    if style < 0.75:
        w = draw.normal(b, d, h) * draw.chance(rng.uniform(0.15, 1.0), b, d, h)
        x = z @ w / math.sqrt(d)
    else:
        hidden = rng.randint(max(4, d), 2 * d + 16)
        x = activate(draw, rng, z @ draw.normal(b, d, hidden))
        x = x @ (draw.normal(b, hidden, h) * draw.chance(rng.uniform(0.2, 1.0), b, hidden, h))
    return standardize(x) + noise * draw.normal(b, t, h)
