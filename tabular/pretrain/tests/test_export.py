"""Stored forms of the weights."""

import torch

from pretrain.config import TINY
from pretrain.export import read_weights, write_weights
from pretrain.golden import randomize
from pretrain.model import OrionMSP


def stored(tmp_path, form):
    model = randomize(OrionMSP(TINY), 3).eval()
    path = tmp_path / f"{form}.safetensors"
    write_weights(path, model.state_dict(), TINY, form, {"steps": 3})
    return model, *read_weights(path)


def test_every_form_restores_within_its_precision(tmp_path):
    for form, limit in (("f32", 0.0), ("f16", 2e-3), ("int8", 0.03)):
        model, again, metadata = stored(tmp_path, form)
        assert metadata["form"] == form and '"steps": 3' in metadata["provenance"]
        for (name, a), b in zip(model.state_dict().items(), again.state_dict().values()):
            assert (a - b).abs().max() <= limit * a.abs().max().clamp_min(1e-6), (form, name)


def test_int8_outputs_stay_near_float32(tmp_path):
    model, again, _ = stored(tmp_path, "int8")
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(1, 40, 7, generator=g), torch.randint(3, (1, 30), generator=g)
    with torch.no_grad():
        a, b = torch.softmax(model(x, y), -1), torch.softmax(again(x, y), -1)
    assert (a - b).abs().mean() < 0.03
