"""How far a run is, and what learning rate and averaging that means."""

import math
import time


def rate_at(progress, step, peak, warmup=300, hold=0.3, floor=0.02):
    """Warm-up by steps, constant until `hold`, then a cosine down to `floor` of the peak."""
    scale = 1.0
    if progress > hold:
        scale = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - hold) / (1 - hold))))
    return peak * scale * min(1.0, (step + 1) / warmup)


def ema_decay(step, limit=0.999):
    """Decay of the weight average, shorter memory in the beginning."""
    return min(limit, (1 + step) / (10 + step))


class Clock:
    """Progress of a run, by steps or by the training seconds of all pieces together."""

    def __init__(self, total_steps=None, total_seconds=None, step=0, seconds=0.0, piece_seconds=None, finish=False):
        self.total_steps, self.before = total_steps, seconds
        self.start = time.monotonic()
        self.piece_seconds = piece_seconds
        if finish and piece_seconds is not None:
            total_seconds = seconds + piece_seconds
        self.total_seconds = total_seconds
        self.step = step

    def seconds(self):
        """Training seconds of all pieces."""
        return self.before + time.monotonic() - self.start

    def progress(self, step):
        """0..1."""
        if self.total_steps:
            return min(1.0, step / self.total_steps)
        return min(1.0, self.seconds() / self.total_seconds)

    def over(self, step):
        """Whether this piece ends."""
        done = step >= self.total_steps if self.total_steps else self.seconds() >= self.total_seconds
        return done or (self.piece_seconds is not None and self.seconds() - self.before >= self.piece_seconds)
