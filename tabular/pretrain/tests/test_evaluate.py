"""Evaluation: preprocessing and the bundled weights on a real table."""

from pathlib import Path

import numpy as np
import pytest

from pretrain.evaluate import measure, preprocess
from pretrain.export import read_weights

WEIGHTS = Path(__file__).parents[2] / "weights" / "orion_small.safetensors"


def test_preprocessing_uses_train_statistics_only():
    rng = np.random.default_rng(0)
    train, test = rng.normal(3, 5, (60, 4)), rng.normal(3, 5, (9, 4))
    for norm in ("none", "power"):
        a = preprocess(train, test, norm)
        b = preprocess(train, test[:3], norm)
        assert np.array_equal(a[:63], b)
        assert abs(a[:60].mean()) < 0.1 and a.shape == (69, 4)


@pytest.mark.skipif(not WEIGHTS.exists(), reason="No weights file")
def test_bundled_weights_predict_wine():
    model, metadata = read_weights(WEIGHTS)
    assert model.config.mode == "filigree" and '"tables"' in metadata["provenance"]
    figures = measure(model, "wine", seeds=range(1))
    assert figures["accuracy"]["mean"] > 0.94
    assert figures["auc_ovo"]["mean"] > 0.99
