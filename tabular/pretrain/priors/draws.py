"""Random building blocks on a device, all from one seeded generator."""

import math

import torch


class Draw:
    """Random tensors on one device."""

    def __init__(self, device, seed):
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)

    def normal(self, *shape):
        """Standard normal."""
        return torch.randn(*shape, generator=self.generator, device=self.device)

    def uniform(self, *shape):
        """Uniform in [0, 1)."""
        return torch.rand(*shape, generator=self.generator, device=self.device)

    def integers(self, high, *shape):
        """Uniform integers in [0, high)."""
        return torch.randint(high, shape, generator=self.generator, device=self.device)

    def log_uniform(self, low, high, *shape):
        """Uniform in the logarithm."""
        return torch.exp(math.log(low) + self.uniform(*shape) * math.log(high / low))

    def chance(self, p, *shape):
        """Booleans, true with probability p."""
        return self.uniform(*shape) < p

    def permutations(self, n, *shape):
        """Random permutations of n along a new last axis."""
        return self.uniform(*shape, n).argsort(-1)

    def categories(self, weights, rows):
        """weights [b, k] -> integers [b, rows]."""
        return torch.multinomial(weights, rows, replacement=True, generator=self.generator)


def standardize(x, dim=1):
    """Zero mean and unit deviation along an axis."""
    x = x - x.mean(dim, keepdim=True)
    return x / (x.square().mean(dim, keepdim=True).sqrt() + 1e-6)


def take(x, index):
    """Columns of x [b, T, H] by index [b, n] -> [b, T, n]."""
    return x.gather(2, index[:, None, :].expand(-1, x.shape[1], -1))


def mixed_noise(draw, rng, b, t, n):
    """Independent columns [b, t, n]: normal, uniform, heavy-tailed, skewed or categorical, standardised."""
    x = draw.normal(b, t, n)
    style = rng.random()
    if style < 0.4:
        return x
    if style < 0.55:
        return standardize(draw.uniform(b, t, n))
    kind = draw.integers(5, b, 1, n)
    u = draw.uniform(b, t, n)
    levels = draw.integers(11, b, 1, n) + 2
    x = torch.where(kind == 1, u, x)
    x = torch.where(kind == 2, -torch.log1p(-u), x)
    x = torch.where(kind == 3, torch.floor(u * levels), x)
    x = torch.where(kind == 4, x * torch.exp(0.5 * draw.normal(b, t, n)), x)
    return standardize(x)


ACTIVATIONS = (
    torch.tanh,
    lambda x: torch.nn.functional.leaky_relu(x, 0.1),
    torch.nn.functional.elu,
    lambda x: x,
    torch.nn.functional.silu,
    torch.relu,
    torch.nn.functional.softplus,
    lambda x: x.clamp(-1, 1),
    torch.sign,
    lambda x: torch.exp(-x.square()),
    lambda x: x.abs().sqrt(),
    lambda x: (x.abs() < 1).float(),
    torch.sin,
    torch.square,
    torch.abs,
    lambda x: torch.exp(x.clamp(max=4)),
)


def activate(draw, rng, x):
    """Standardise, scale and shift at random per unit, then a random activation (often a sum of sines)."""
    b, _, n = x.shape
    x = standardize(x)
    x = torch.exp(0.8 * draw.normal(b, 1, n)) * (x + 0.7 * draw.normal(b, 1, n))
    if rng.random() < 0.3:
        decay = math.exp(rng.uniform(math.log(0.7), math.log(3)))
        total = 0
        for _ in range(6):
            frequency = 0.3 + 5 * draw.uniform(b, 1, n)
            total = total + torch.sin(frequency * x + 6.2832 * draw.uniform(b, 1, n)) * frequency ** -decay * draw.normal(b, 1, n)
        return standardize(total)
    return rng.choice(ACTIVATIONS)(x)
