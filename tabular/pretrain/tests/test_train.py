"""Training: schedule, optimiser, state and resumption."""

import csv

import pytest
import torch

from pretrain.config import TINY
from pretrain.export import read_weights, write_weights
from pretrain.flat import AdamW, FlatModel
from pretrain.model import OrionMSP
from pretrain.schedule import Clock, ema_decay, rate_at
from pretrain.start import steps_behind
from pretrain.state import load_state
from pretrain.train import main

SMALL_RUN = ["--preset", "tiny", "--cells", "6000", "--max-rows", "80", "--max-features", "6", "--held-out", "1", "--log-every", "2"]


def rows(folder):
    with open(folder / "log.csv", newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def test_resumed_run_is_the_run_in_one_piece(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    main([str(whole), "--steps", "8", *SMALL_RUN])
    # A schedule of 8 steps, stopped after 4 by the piece's end.
    main([str(parts), "--steps", "8", "--stop-after", "4", *SMALL_RUN])
    assert load_state(parts)["step"] == 4
    main([str(parts), "--steps", "8", *SMALL_RUN])
    a, b = load_state(whole), load_state(parts)
    assert a["step"] == b["step"] == 8 and a["tables"] == b["tables"]
    for name in a["ema"]:
        # Moments are stored in bfloat16, hence the tolerance.
        assert torch.allclose(a["ema"][name], b["ema"][name], atol=2e-5), name
    assert [r["step"] for r in rows(parts)] == [r["step"] for r in rows(whole)] == ["2", "4", "6", "8"]
    assert rows(whole)[0]["loss"] == rows(parts)[0]["loss"]
    assert [bool(r["held_out"]) for r in rows(parts)] == [False, True, False, True]


def test_piece_by_time_ends_in_time_with_a_state(tmp_path):
    main([str(tmp_path), "--total-minutes", "0.05", *SMALL_RUN])
    state = load_state(tmp_path)
    assert state["step"] > 0 and state["provenance"]["tables"] == state["tables"]


def test_run_from_exported_weights_begins_where_they_were(tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    main([str(before), "--steps", "4", "--rate", "3e-3", *SMALL_RUN])
    state = load_state(before)
    path = tmp_path / "weights.safetensors"
    write_weights(path, state["ema"], TINY, "f16", state["provenance"])
    main([str(after), "--init", str(path), "--steps", "4", "--stop-after", "2", *SMALL_RUN[2:]])
    first, trained = rows(after)[0], load_state(after)
    assert first["step"] == "0"
    assert float(first["held_out"]) == pytest.approx(float(rows(before)[-1]["held_out"]), abs=2e-3)
    assert first["held_out_frequency"] == rows(before)[-1]["held_out_frequency"]
    assert trained["provenance"]["init"]["steps"] == 4 and trained["step"] == 2
    # The next piece goes on from the state, not from the file.
    path.unlink()
    main([str(after), "--init", str(path), "--steps", "4", *SMALL_RUN[2:]])
    assert [r["step"] for r in rows(after)] == ["0", "2", "4"]
    assert load_state(after)["provenance"]["init"] == trained["provenance"]["init"]


def test_steps_behind_counts_every_file_of_a_chain():
    assert steps_behind({}) == 0
    assert steps_behind({"steps": 5, "init": {"steps": 7, "init": {"sha256": "0"}}}) == 12


def test_weights_without_a_step_stay_the_weights_of_the_file(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_weights(path, OrionMSP(TINY).init_for_training().state_dict(), TINY)
    main([str(tmp_path), "--init", str(path), "--steps", "1", "--stop-after", "0", *SMALL_RUN])
    model, state = read_weights(path)[0], load_state(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(state["weights"][name], value) and torch.equal(state["ema"][name], value), name
    assert len(rows(tmp_path)) == 1


def test_run_refuses_exported_weights_of_another_configuration(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_weights(path, OrionMSP(TINY).state_dict(), TINY)
    with pytest.raises(ValueError, match="embed_dim"):
        main([str(tmp_path), "--init", str(path), "--preset", "small", "--steps", "1"])
    with pytest.raises(ValueError, match="icl_num_blocks"):
        main([str(tmp_path), "--init", str(path), "--set", "icl_num_blocks=3", "--steps", "1"])


def test_rate_warms_up_holds_and_decays():
    assert rate_at(0.1, 0, 1.0) < 0.01
    assert rate_at(0.2, 1000, 1.0) == 1.0
    assert rate_at(0.65, 1000, 1.0) == pytest.approx(0.51)
    assert rate_at(1.0, 1000, 1.0) == pytest.approx(0.02)
    assert rate_at(0.1, 9, 1.0, warmup=10) == 1.0
    assert rate_at(0.25, 1000, 1.0, hold=0.2) < 1.0
    assert ema_decay(0) < ema_decay(50) < ema_decay(10**6) == 0.999


def test_finishing_piece_reaches_the_end_of_the_schedule():
    clock = Clock(total_seconds=1000, seconds=600, piece_seconds=100, finish=True)
    assert clock.total_seconds == 700


def test_optimizer_ignores_a_gradient_that_is_not_finite():
    vector = torch.ones(4)
    AdamW(4, 0, "cpu").step(vector, torch.tensor([1.0, float("nan"), 0.0, 0.0]), 0.1, 1)
    assert torch.equal(vector, torch.ones(4))


def test_optimizer_agrees_with_the_library():
    torch.manual_seed(0)
    vector, grads = torch.randn(6), [0.1 * torch.randn(6) for _ in range(5)]
    ours, theirs = vector.clone(), torch.nn.Parameter(vector.clone())
    flat = AdamW(6, 6, "cpu", decay=0.01)
    library = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.98), weight_decay=0.01)
    for i, grad in enumerate(grads):
        flat.step(ours, grad.clone(), 0.01, i + 1)
        theirs.grad = grad.clone()
        library.step()
    assert torch.allclose(ours, theirs.detach(), atol=1e-6)


def test_flat_model_round_trips_its_state():
    flat = FlatModel(OrionMSP(TINY).init_for_training(), "cpu")
    state = flat.state_dict(flat.vector)
    assert set(state) == set(OrionMSP(TINY).state_dict())
    assert torch.equal(flat.pack(state), flat.vector.detach())
    x, y = torch.randn(1, 30, 5), torch.randint(3, (1, 20))
    assert torch.allclose(flat(flat.vector, x, y), flat.model(x, y), atol=1e-6)
