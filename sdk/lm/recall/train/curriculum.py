"""Which length a step trains on, and its learning rate."""

import math


def rate_at(progress, step, peak, warmup, hold):
    """Warm-up by steps, constant until `hold`, then a cosine down to 1 % of the peak."""
    scale = 1.0
    if progress > hold:
        scale = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - hold) / (1 - hold))))
    return peak * scale * min(1.0, (step + 1) / warmup)


class Curriculum:
    """Goes to the next length when the present one is learnt, or when its share of the run is over.

    The first length has the largest share: attention that looks up what followed an earlier word comes suddenly after a long plateau, and nothing else is learnt before it.
    """

    def __init__(self, lengths, learnt=0.9, stage=0):
        self.lengths, self.learnt, self.stage, self.score, self.steps = lengths, learnt, stage, 0.0, 0

    def deadline(self):
        """Progress at which the present length ends at the latest."""
        last = len(self.lengths) - 1
        return 2.0 if self.stage == last else 0.35 + 0.3 * self.stage / max(1, last)

    def draw(self, rng):
        """A length: most often the present one, so that shorter ones are not forgotten."""
        if self.stage == 0 or rng.random() < 0.6:
            return self.lengths[self.stage]
        return self.lengths[rng.randrange(self.stage)]

    def note(self, accuracy, progress):
        """Take the accuracy of some steps at the present length; whether the next length begins."""
        self.score += 0.3 * (accuracy - self.score)
        if self.stage + 1 == len(self.lengths) or (self.score < self.learnt and progress < self.deadline()):
            return False
        self.stage, self.score = self.stage + 1, 0.0
        return True
