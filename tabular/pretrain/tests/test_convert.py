"""Conversion of official checkpoints."""

from dataclasses import replace

import pytest
import torch

from pretrain.config import CODE_DEFAULTS, STAGE_SCRIPTS
from pretrain.convert import convert, expected_shapes
from pretrain.export import read_weights
from pretrain.model import OrionMSP

SCALED = replace(STAGE_SCRIPTS, embed_dim=32, col_num_inds=8, row_nhead=4, icl_num_blocks=2, perc_num_latents=8, perc_layers=2)


def checkpoint(path, config, state=None):
    torch.manual_seed(0)
    state = state or {n: torch.randn(s) for n, s in expected_shapes(config).items()}
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in config.to_dict().items()}
    torch.save({"config": values, "state_dict": state, "curr_step": 7}, path)
    return state


def test_converted_checkpoint_has_the_same_tensors_and_configuration(tmp_path):
    state = checkpoint(tmp_path / "a.ckpt", SCALED)
    assert convert(tmp_path / "a.ckpt", tmp_path / "a.safetensors") == SCALED
    model, _ = read_weights(tmp_path / "a.safetensors")
    assert model.config == SCALED
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_parameter_counts_are_the_official_ones():
    sizes = [sum(torch.Size(s).numel() for s in expected_shapes(c).values()) for c in (STAGE_SCRIPTS, CODE_DEFAULTS)]
    assert sizes[0] == 52_778_274
    assert sizes[1] // 10_000 == 4_394


def test_checkpoint_with_a_missing_tensor_is_refused(tmp_path):
    state = {n: torch.zeros(s) for n, s in expected_shapes(SCALED).items()}
    del state["icl_predictor.ln.weight"]
    checkpoint(tmp_path / "b.ckpt", SCALED, state)
    with pytest.raises(ValueError, match="missing"):
        convert(tmp_path / "b.ckpt", tmp_path / "b.safetensors")


def test_checkpoint_with_a_wrong_shape_is_refused(tmp_path):
    state = OrionMSP(SCALED).state_dict()
    state["icl_predictor.ln.weight"] = torch.zeros(3)
    checkpoint(tmp_path / "c.ckpt", SCALED, dict(state))
    with pytest.raises(ValueError, match="shape"):
        convert(tmp_path / "c.ckpt", tmp_path / "c.safetensors")


def test_checkpoint_that_carries_code_is_refused(tmp_path):
    class Payload:
        def __reduce__(self):
            return (print, ("executed",))

    torch.save({"config": {}, "state_dict": Payload()}, tmp_path / "d.ckpt")
    with pytest.raises(Exception, match="[Ww]eights"):
        convert(tmp_path / "d.ckpt", tmp_path / "d.safetensors")
