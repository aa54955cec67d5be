"""How many questions are answered right, by task, length and distance. All words of an answer must be right."""

import copy

import torch

from .tasks import KEYS, draw, slots

PARTS = 8
COLUMNS = ("task", "length", "statements", "questions", "asked", "accuracy", *(f"distance_{i + 1}_of_{PARTS}" for i in range(PARTS)))


def right(logits, labels):
    """[B, questions]: whether the best word is the right one at every word of an answer."""
    return (logits.argmax(-1) == labels).all(-1)


def cases(lengths):
    """Task, length, statements and questions of each row of the table."""
    for tokens in lengths:
        for task, share in (("pairs", 32), ("records", 32), ("needle", 0)):
            kind = "records" if task == "needle" else task
            statements = max(1, min(tokens // share, KEYS[kind], slots(kind, tokens, 1))) if share else 1
            questions = min(statements, 64)
            yield task, kind, tokens, min(statements, slots(kind, tokens, questions)), questions


@torch.no_grad()
def measure(model, lengths, device, texts=32, seed=1):
    """Rows of the table, in float32 with the weights rounded to float16, as they are exported. The seeds are none of training's."""
    model = copy.deepcopy(model).half().float().eval()
    generator = torch.Generator(device).manual_seed(2**62 + seed)
    rows = []
    for task, kind, tokens, statements, questions in cases(lengths):
        many = texts * 8 if task == "needle" else texts
        at_once = max(1, min(many, 65536 // tokens))
        hits, distances = [], []
        for _ in range(0, many, at_once):
            batch = draw(kind, at_once, tokens, statements, questions, generator, device)
            hits.append(right(model(batch.ids, batch.asked), batch.labels()).flatten())
            distances.append(batch.distance.flatten())
        hit, part = torch.cat(hits).double().cpu(), (torch.cat(distances) * PARTS // tokens).cpu()
        by_part = [f"{hit[part == i].mean().item():.4f}" if (part == i).any() else "" for i in range(PARTS)]
        rows.append((task, tokens, statements, questions, hit.numel(), f"{hit.mean().item():.4f}", *by_part))
    return rows
