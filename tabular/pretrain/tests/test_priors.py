"""The synthetic tables."""

import random

import pytest
import torch

from pretrain.priors.draws import Draw
from pretrain.priors.labels import compact_labels
from pretrain.priors.mixture import PRIORS, draw_batch
from pretrain.priors.preprocess import power_transform, prepare, soften_outliers
from pretrain.priors.shapes import Limits, Shape, draw_shape, mixture, step_rng

LIMITS = Limits(cells=60_000)


@pytest.mark.parametrize("kind", sorted(PRIORS))
def test_prior_gives_finite_tables_with_every_number_of_classes(kind):
    for k in (2, 5, 10):
        for h in (2, 3, 40):
            draw = Draw("cpu", 100 * k + h)
            x, y = PRIORS[kind](draw, random.Random(k + h), 3, 64, h, k)
            assert x.shape == (3, 64, h) and y.shape == (3, 64)
            assert torch.isfinite(x).all()
            assert y.min() >= 0 and y.max() < k


def test_batches_are_a_function_of_their_seed():
    shape = draw_shape(step_rng(1, 5), 1.0, LIMITS)
    a, b, c = (draw_batch(shape, "cpu", seed) for seed in (9, 9, 10))
    assert torch.equal(a.x, b.x) and torch.equal(a.labels, b.labels)
    assert not torch.equal(a.x, c.x)


def test_batches_are_bounded_and_labelled_from_the_train_rows():
    for step in range(15):
        shape = draw_shape(step_rng(2, step), step / 15, LIMITS)
        batch = draw_batch(shape, "cpu", step)
        assert batch.x.shape == (shape.tables, shape.rows, shape.features)
        assert torch.isfinite(batch.x).all() and batch.x.abs().max() < 110
        train = batch.labels[:, :shape.train]
        assert train.min() >= 0
        assert torch.equal(train.max(1).values + 1, batch.real.sum(1))


def test_class_that_no_train_row_has_is_not_scored():
    y = torch.tensor([[4, 2, 4, 7, 2]])
    labels, real = compact_labels(Draw("cpu", 0), y, 3, 10)
    assert labels[0, 3] == -100 and real.sum() == 2
    assert labels[0, 0] == labels[0, 2] != labels[0, 1]


def test_curriculum_starts_easy_and_opens():
    assert mixture(0.0, (0.05, 0.25))["clusters"] > mixture(0.5, (0.05, 0.25))["clusters"] > 0
    early = [draw_shape(step_rng(0, i), 0.0, Limits()) for i in range(60)]
    late = [draw_shape(step_rng(0, i), 1.0, Limits()) for i in range(300)]
    assert max(s.rows for s in early) <= 256 and max(k for s in early for _, k in s.groups) <= 4
    assert max(s.rows for s in late) > 900 and max(s.features for s in late) > 90
    assert max(k for s in late for _, k in s.groups) == 10
    assert all(isinstance(s, Shape) and 0 < s.train < s.rows for s in early + late)


def test_power_transform_makes_a_skewed_column_symmetric():
    g = torch.Generator().manual_seed(0)
    x = torch.exp(torch.randn(1, 400, 1, generator=g))
    skew = lambda v: ((v - v.mean()) ** 3).mean().abs() / v.std() ** 3
    assert skew(power_transform((x - x.mean()) / x.std(), 300)) < 0.2 * skew(x)


def test_outliers_grow_with_their_logarithm_only():
    x = torch.randn(1, 200, 1, generator=torch.Generator().manual_seed(1))
    x[0, 150] = 1e4
    soft = soften_outliers(x, 100)
    assert soft[0, 150] < 15 and torch.equal(soft[0, :100][x[0, :100].abs() < 3], x[0, :100][x[0, :100].abs() < 3])


def test_test_rows_do_not_change_the_preprocessing():
    x = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(2))
    power = torch.tensor([True, False])[:, None, None]
    changed = torch.cat((x[:, :30], 9 * x[:, 30:]), 1)
    assert torch.equal(prepare(x, 30, power)[:, :30], prepare(changed, 30, power)[:, :30])
