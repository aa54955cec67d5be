"""The network against the golden files of the official code, and the promises of filigree mode."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from pretrain.config import SMALL, TINY, ModelConfig
from pretrain.model import OrionMSP

DATA = Path(__file__).parents[2] / "testdata"


def load(name):
    with safe_open(DATA / f"{name}.safetensors", "pt") as f:
        tensors = {k: f.get_tensor(k) for k in f.keys()}
        return json.loads(f.metadata()["params"]), tensors


def replay(name):
    params, t = load(name)
    model = OrionMSP(ModelConfig.from_dict(params["config"]))
    model.load_state_dict({k[3:]: v for k, v in t.items() if k.startswith("sd.")})
    model.train(params["mode"] == "train")
    torch.manual_seed(params.get("torch_seed", 0))
    stages = {}
    with torch.no_grad():
        out = model(t["X"], t["y_train"], d=t.get("d"), stages=stages, **params["forward"])
    return model, t, out, stages


GOLDEN = ["tiny", "tiny-contiguous", "tiny-padded", "filigree-tiny", "filigree-tiny-memory"]


@pytest.mark.parametrize("name", GOLDEN)
def test_forward_matches_the_golden_file(name):
    model, t, out, stages = replay(name)
    assert torch.allclose(out, t["out"], atol=2e-5, rtol=0), (out - t["out"]).abs().max()
    for key, value in stages.items():
        if key.startswith("mask."):
            assert torch.equal(value, t[key].bool()), key
        elif key in t and t[key].shape == value.shape:
            assert torch.allclose(value, t[key], atol=2e-5 * max(1.0, t[key].abs().max().item()), rtol=0), key
    if name in ("tiny", "tiny-contiguous"):
        assert torch.allclose(stages["cells"], t["col.embeddings"][:, :, model.config.specials:], atol=1e-4)


def table(rows=40, features=9, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(1, rows, features, generator=g), torch.randint(3, (1, 25), generator=g)


@pytest.mark.parametrize("latents", [0, 4])
def test_filigree_test_rows_do_not_influence_each_other(latents):
    torch.manual_seed(0)
    model = OrionMSP(replace(TINY, perc_num_latents=latents, row_num_random=2, row_window=1)).init_for_training().eval()
    x, y = table()
    with torch.no_grad():
        together = model(x, y)
        alone = torch.cat([model(torch.cat((x[:, :25], x[:, i:i + 1]), 1), y) for i in range(25, 40)], 1)
    assert torch.allclose(together, alone, atol=1e-6)


def test_small_configuration_has_the_planned_size():
    model = OrionMSP(SMALL)
    count = sum(p.numel() for p in model.parameters())
    assert 3.5e6 < count < 4.0e6
    assert SMALL.icl_dim == 256


def test_window_zero_is_closed_and_wide_window_is_open():
    closed = OrionMSP(replace(TINY, row_window=0)).row_interactor.masks(5)[0]
    s = TINY.specials
    assert closed[s, s] and not closed[s, s + 1]
    assert OrionMSP(replace(TINY, row_window=4)).row_interactor.masks(5)[0] is None
    two = OrionMSP(replace(TINY, row_window=2)).row_interactor.masks(5)[0]
    assert two[s, s + 2] and not two[s, s + 3]
