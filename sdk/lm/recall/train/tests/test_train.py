"""A toy run: it writes a model directory, and another run goes on from its state."""

import csv
import json
import struct

import torch

from train.curriculum import Curriculum
from train.model import Config, Decoder, rotate
from train.train import Run, parse

TOY = "--layers 2 --hidden 64 --heads 2 --kv-heads 1 --mlp 64 --lengths 32 64 --batch-tokens 256 --texts 1 --measure 64 --log-every 2".split()


def test_a_run_is_written_and_resumed(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    Run(parse([str(first), "--steps", "3", *TOY])).loop()
    run = Run(parse([str(second), "--steps", "2", "--resume", str(first), *TOY]))
    saved = torch.load(first / "weights.pt")
    assert all(torch.equal(saved["weights"][name], value) for name, value in run.model.state_dict().items())
    run.loop()
    assert run.step == 5 and len(torch.load(second / "weights.pt")["runs"]) == 2
    rows = list(csv.DictReader((second / "accuracy.csv").open(encoding="utf-8")))
    assert [row["task"] for row in rows] == ["pairs", "records", "needle"]
    assert json.loads((second / "config.json").read_text(encoding="utf-8"))["head_dim"] == 64
    data = (second / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    entry = header["model.layers.1.mlp.down_proj.weight"]
    begin, end = (8 + size + at for at in entry["data_offsets"])
    stored = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float16).view(entry["shape"])
    assert torch.equal(stored, run.model.layers[1].mlp.down_proj.weight.detach().half())


def test_a_prediction_depends_on_the_past_alone():
    model = Decoder(Config(hidden=64, layers=2, heads=2, kv_heads=1, mlp=64)).eval()
    ids = torch.randint(16, 1000, (1, 40))
    changed = ids.clone()
    changed[0, 30:] = 7
    with torch.no_grad():
        assert torch.allclose(model(ids)[0, :30], model(changed)[0, :30], atol=1e-6)
        assert torch.allclose(model(ids, torch.tensor([[3], [9]]))[0, :, 0], model(ids)[0, [3, 9]], atol=1e-6)


def test_scores_depend_on_the_distance_alone():
    angle = torch.arange(20)[:, None] * torch.tensor([1.0, 0.1])
    q, k = torch.randn(4), torch.randn(4)
    q, k = (rotate(x.expand(1, 1, 20, 4), angle.cos(), angle.sin())[0, 0] for x in (q, k))
    assert torch.allclose(q[5] @ k[2], q[15] @ k[12], atol=1e-5)


def test_the_next_length_begins_when_this_one_is_learnt_or_late():
    learnt = Curriculum([32, 64, 128])
    assert not learnt.note(1.0, 0.1)
    while not learnt.note(1.0, 0.1):
        pass
    assert learnt.stage == 1
    assert learnt.note(0.0, 0.9) and learnt.stage == 2
    assert not learnt.note(1.0, 0.99)
