"""From scores to class labels."""

import torch

from .draws import standardize


def class_weights(draw, rng, b, k):
    """Class probabilities [b, k], balanced or imbalanced."""
    spread = rng.choice((0.0, 0.0, 0.3, 0.7, 1.2))
    return torch.softmax(spread * draw.normal(b, k), 1)


def cut_labels(draw, rng, score, k):
    """Labels of a one-dimensional score [b, T]: intervals between k - 1 thresholds, in random class order."""
    b, t = score.shape
    score = standardize(score)
    if rng.random() < 0.7:
        shares = class_weights(draw, rng, b, k).cumsum(1)[:, :-1]
        index = (shares * (t - 1)).long().clamp(0, t - 1)
        cuts = score.sort(1).values.gather(1, index)
    else:
        cuts = draw.normal(b, k - 1)
    order = (score[:, :, None] > cuts[:, None, :]).sum(2)
    return draw.permutations(k, b).gather(1, order)


def argmax_labels(draw, rng, scores):
    """Labels of k competing scores [b, T, k], with a random preference and a little or no label noise."""
    b, _, k = scores.shape
    bias = rng.choice((0.0, 0.0, 0.5, 1.0)) * draw.normal(b, 1, k)
    noise = rng.choice((0.0, 0.0, 0.1, 0.3))
    scores = standardize(scores) + bias
    if noise:
        scores = scores + noise * draw.normal(*scores.shape)
    return scores.argmax(2)


def compact_labels(draw, y, train, classes):
    """Rename labels [b, T] so that the classes of the train rows are 0..k-1 in random order.

    Returns (labels with -100 for classes that no train row has, which of the `classes` outputs are real [b, classes]).
    """
    y = draw.permutations(classes, y.shape[0]).gather(1, y)
    seen = torch.zeros(y.shape[0], classes, device=y.device).scatter_(1, y[:, :train], 1.0) > 0
    rank = torch.where(seen, seen.long().cumsum(1) - 1, -100)
    real = torch.arange(classes, device=y.device) < seen.sum(1, keepdim=True)
    return rank.gather(1, y), real
