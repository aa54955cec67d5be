"""The classifier's preprocessing for batches of tables: statistics come from the train rows only."""

import torch

LAMBDAS = (-4.0, -2.5, -1.5, -1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)


def moments(x, train):
    """Mean and population deviation over the train rows."""
    part = x[:, :train]
    mean = part.mean(1, keepdim=True)
    return mean, (part - mean).square().mean(1, keepdim=True).sqrt()


def scale(x, train):
    """Standardise and cut at 100 deviations."""
    mean, std = moments(x, train)
    return ((x - mean) / (std + 1e-6)).clamp(-100, 100)


def yeo_johnson(x, power):
    """The Yeo-Johnson transform with a fixed power."""
    up = torch.log1p(x.clamp_min(0)) if power == 0 else ((x.clamp_min(0) + 1) ** power - 1) / power
    low = -x.clamp_max(0)
    down = -torch.log1p(low) if power == 2 else -((low + 1) ** (2 - power) - 1) / (2 - power)
    return torch.where(x >= 0, up, down)


def power_transform(x, train):
    """Yeo-Johnson with the likeliest power of a short list per column, standardised."""
    part = x[:, :train]
    slope = (part.sign() * torch.log1p(part.abs())).mean(1, keepdim=True)
    best = torch.full_like(slope, float("inf"))
    out = x
    for power in LAMBDAS:
        y = yeo_johnson(x, power)
        _, std = moments(y, train)
        loss = torch.log(std + 1e-12) - (power - 1) * slope
        better = loss < best
        best, out = torch.where(better, loss, best), torch.where(better, y, out)
    mean, std = moments(out, train)
    return (out - mean) / torch.where(std < 1e-7, 1.0, std)


def soften_outliers(x, train, threshold=4.0):
    """Bounds from the train rows without their outliers; beyond them values grow with their logarithm only."""
    part = x[:, :train]
    mean, std = moments(x, train)
    inside = ((part - mean).abs() <= threshold * std.clamp_min(1e-6)).float()
    count = inside.sum(1, keepdim=True).clamp_min(1)
    mean = (part * inside).sum(1, keepdim=True) / count
    std = (((part - mean).square() * inside).sum(1, keepdim=True) / count).sqrt().clamp_min(1e-6)
    low, high = mean - threshold * std, mean + threshold * std
    x = torch.maximum(low - torch.log1p(x.abs()), x)
    return torch.minimum(high + torch.log1p(x.abs()), x)


def prepare(x, train, power):
    """x [b, T, H] -> model input. power: bool [b, 1, 1], which tables take the power transform; None for no table."""
    x = scale(torch.nan_to_num(x, 0.0, 1e6, -1e6).clamp(-1e6, 1e6), train)
    if power is not None:
        x = torch.where(power, power_transform(x, train), x)
    return soften_outliers(torch.nan_to_num(x).clamp(-100, 100), train)
