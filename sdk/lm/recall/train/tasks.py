"""Texts with questions at their end, drawn in batches on the device. The layout is that of ../tasks.ts:

    <bos>  words ...  slots: statements among filler words ...  words ...  questions

pairs    statement `note NAME VALUE .`              question `ask NAME VALUE .`
records  statement `note NAME FIELD VALUE VALUE .`  question `ask NAME FIELD VALUE VALUE .`

A needle is a text of one record. Training alone has a third task:

repeats  any words, then the same again: every word of the second time is asked. Looking up what followed an earlier word is learnt here first.
"""

from dataclasses import dataclass

import torch

from .words import FIRST_FIELD, FIRST_FILLER, FIRST_NAME, FIRST_VALUE, MARKERS, SPECIAL, VOCABULARY

BOS = SPECIAL.index("<bos>")
NOTE, ASK, STOP = (len(SPECIAL) + i for i in range(len(MARKERS)))
FIELDS, NAMES, VALUES = FIRST_NAME - FIRST_FIELD, FIRST_VALUE - FIRST_NAME, VOCABULARY - FIRST_VALUE
WIDTH = {"pairs": 4, "records": 6}
ANSWER = {"pairs": 1, "records": 2}
KEYS = {"pairs": NAMES, "records": NAMES * FIELDS}


@dataclass
class Batch:
    """`ids` [B, L]; logits at column `asked[i, j]` predict answer word j of question i; `distance` [B, questions] back to the statement."""
    ids: torch.Tensor
    asked: torch.Tensor
    distance: torch.Tensor

    def labels(self):
        """[B, questions, answer words]."""
        return self.ids[:, self.asked + 1]


def slots(task, tokens, questions):
    """Slots that a text has for statements."""
    width = WIDTH[task]
    # One slot less than there is room for: its words go before and behind the slots, so that distances take all values.
    return (tokens - 1) // width - questions - 1


def distinct(rows, count, of, generator, device):
    """[rows, count] numbers below `of`, different within a row."""
    shuffled = torch.randperm(of, generator=generator, device=device)
    start = torch.randint(of, (rows, 1), generator=generator, device=device)
    # Steps that share no factor with any number of keys visit all of them.
    steps = torch.tensor([p for p in (5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67)], device=device)
    step = steps[torch.randint(len(steps), (rows, 1), generator=generator, device=device)]
    return shuffled[(start + step * torch.arange(count, device=device)) % of]


def draw(task, rows, tokens, statements, questions, generator, device="cpu"):
    """A batch of texts of `tokens` tokens with `statements` statements, `questions` of which are asked."""
    width, room = WIDTH[task], slots(task, tokens, questions)
    if not 1 <= questions <= statements <= min(room, KEYS[task]):
        raise ValueError(f"{tokens} tokens hold up to {min(room, KEYS[task])} {task}, got {statements} with {questions} questions")
    options = {"generator": generator, "device": device}

    def pick(count, of):
        return torch.rand(rows, of, **options).argsort(1)[:, :count]

    words = FIRST_FILLER + (torch.rand(rows, tokens, **options).square() * (FIRST_FIELD - FIRST_FILLER)).long()
    words[:, 0] = BOS
    key = distinct(rows, statements, KEYS[task], generator, device)
    value = torch.randint(FIRST_VALUE, VOCABULARY, (rows, statements, ANSWER[task]), **options)
    name = FIRST_NAME + key % NAMES
    parts = [name] if task == "pairs" else [name, FIRST_FIELD + key // NAMES]
    body = torch.stack((*parts, *value.unbind(2)), 2)
    marker, stop = body.new_full((rows, statements, 1), NOTE), body.new_full((rows, statements, 1), STOP)

    spare = tokens - 1 - width * (room + questions)
    lead = torch.randint(spare + 1, (rows, 1), **options)
    place = 1 + lead + width * pick(statements, room).sort(1).values
    columns = place[:, :, None] + torch.arange(width, device=device)
    words.scatter_(1, columns.flatten(1), torch.cat((marker, body, stop), 2).flatten(1))

    asked = pick(questions, statements)
    start = tokens - width * questions
    chosen = body.gather(1, asked[:, :, None].expand(-1, -1, body.shape[2]))
    marker, stop = marker[:, :questions] * 0 + ASK, stop[:, :questions]
    words[:, start:] = torch.cat((marker, chosen, stop), 2).flatten(1)

    begins = start + width * torch.arange(questions, device=device)
    first = width - ANSWER[task] - 2
    return Batch(words, begins[:, None] + first + torch.arange(ANSWER[task], device=device), begins - place.gather(1, asked))


def draw_repeats(rows, tokens, generator, device="cpu"):
    """A batch of repeats whose period is a quarter to half of the text, another one in every row."""
    options = {"generator": generator, "device": device}
    words = torch.randint(FIRST_FILLER, VOCABULARY, (rows, tokens), **options)
    period = torch.randint(tokens // 4, tokens // 2 + 1, (rows, 1), **options)
    place = torch.arange(tokens, device=device)
    asked = place[tokens // 2:-1, None]
    return Batch(words.gather(1, place % period), asked, period.expand(-1, len(asked)))


def draw_sizes(task, tokens, rng, most=1024):
    """Statements and questions of a training step: often many, so that a text teaches much; sometimes few, down to one needle."""
    limit = min((slots(task, tokens, 1) + 1) * 3 // 4, KEYS[task], most)
    statements = rng.randint(max(1, limit // 4), limit) if rng.random() < 0.75 else round(limit ** rng.random())
    room = slots(task, tokens, 0) - statements
    return statements, max(1, min(statements, room))
