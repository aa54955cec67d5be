"""The texts hold what their questions ask for."""

import random

import pytest
import torch

from train.tasks import ASK, BOS, NOTE, STOP, WIDTH, draw, draw_repeats, draw_sizes
from train.words import FIRST_FIELD, FIRST_NAME, FIRST_VALUE, VOCABULARY, vocabulary


@pytest.mark.parametrize("task", ["pairs", "records"])
def test_every_question_repeats_its_statement(task):
    generator = torch.Generator().manual_seed(1)
    for tokens, statements, questions in ((64, 3, 3), (257, 9, 4), (2048, 120, 64)):
        batch = draw(task, 4, tokens, statements, questions, generator)
        width = WIDTH[task]
        assert batch.ids.shape == (4, tokens)
        assert (batch.ids == NOTE).sum(1).tolist() == [statements] * 4
        assert (batch.ids == ASK).sum(1).tolist() == [questions] * 4
        assert (batch.ids[:, 0] == BOS).all() and batch.ids.max() < VOCABULARY
        for row, distances, labels in zip(batch.ids, batch.distance, batch.labels()):
            places = set()
            for i, (distance, answer) in enumerate(zip(distances.tolist(), labels)):
                at = tokens - width * (questions - i)
                statement, question = row[at - distance:at - distance + width], row[at:at + width]
                assert statement[0] == NOTE and question[0] == ASK and question[-1] == STOP
                assert torch.equal(statement[1:], question[1:])
                assert torch.equal(question[-1 - len(answer):-1], answer)
                places.add(at - distance)
            assert len(places) == questions


@pytest.mark.parametrize("task", ["pairs", "records"])
def test_keys_are_distinct(task):
    batch = draw(task, 8, 4096, 300, 5, torch.Generator().manual_seed(2))
    for row in batch.ids:
        keys = [tuple(row[at + 1:at + (2 if task == "pairs" else 3)].tolist()) for at in (row == NOTE).nonzero().flatten()]
        assert len(set(keys)) == 300


def test_repeats_ask_what_stood_a_period_before():
    batch = draw_repeats(8, 50, torch.Generator().manual_seed(4))
    places = batch.asked[:, 0] + 1
    assert places.tolist() == list(range(26, 50))
    for row, distance, labels in zip(batch.ids, batch.distance, batch.labels()[:, :, 0]):
        assert torch.equal(row[places - distance], labels)


def test_sizes_of_steps_fit():
    rng, generator = random.Random(1), torch.Generator().manual_seed(3)
    for tokens in (32, 128, 2048):
        for task in WIDTH:
            for _ in range(50):
                draw(task, 1, tokens, *draw_sizes(task, tokens, rng), generator)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="hold up to"):
        draw("pairs", 1, 64, 20, 1, torch.Generator())


def test_ranges_of_the_vocabulary():
    words = vocabulary()
    assert len(words) == len(set(words)) == VOCABULARY
    assert [words[i] for i in (FIRST_FIELD, FIRST_NAME, FIRST_VALUE)] == ["age", "Bara", "100"]
