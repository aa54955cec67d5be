"""Ensemble members: feature orders, class shifts and normalisations, drawn like the classifier draws them."""

import itertools
import random


def latin_square(n, rng):
    """Rows of a random Latin square of 0..n-1."""
    remaining, drawn = list(range(n)), []
    while len(remaining) > 1:
        symbol = rng.choice(remaining)
        remaining.remove(symbol)
        drawn.append(symbol)
    square = [[remaining[0]]]
    for symbol in reversed(drawn):
        square.append(list(square[0]))
        for i, row in enumerate(square):
            row.insert(i, symbol)
    rng.shuffle(square)
    square = [list(column) for column in zip(*square)]
    rng.shuffle(square)
    return square


def patterns(features, count, method, rng):
    """Feature orders by method: none, shift, random or latin."""
    identity = list(range(features))
    if method == "none" or count == 1:
        return [identity]
    if method == "shift":
        return [identity[features - i:] + identity[:features - i] for i in range(features)]
    if method == "latin" and features <= 4000:
        return latin_square(features, rng)
    if features <= 5:
        orders = [list(p) for p in itertools.permutations(identity)]
        return rng.sample(orders, min(count, len(orders)))
    return [rng.sample(identity, features) for _ in range(count)]


def members(features, classes, count=8, norms=("none", "power"), method="latin", class_shift=True, seed=42):
    """A list of (norm, feature order, class shift), at most `count` of them."""
    orders = patterns(features, count, method, random.Random(seed))
    rng = random.Random(seed)
    shifts = rng.sample(range(classes), classes) if class_shift and count > 1 else [0]
    pairs = [(order, shift) for order in orders for shift in shifts]
    rng.shuffle(pairs)
    return [(norm, order, shift) for order, shift in pairs for norm in norms][:count]
