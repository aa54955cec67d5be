"""The training state on disk: DIR/step-N/ with safetensors files, DIR/latest names the valid one."""

import json
import os
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file


def save_state(folder, meta, weights, ema, moments):
    """Write everything beside the previous state, then switch over in one rename."""
    folder = Path(folder)
    target = folder / f"step-{meta['step']}"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    save_file(weights, str(target / "weights.safetensors"))
    save_file(ema, str(target / "ema.safetensors"))
    save_file(moments, str(target / "moments.safetensors"))
    (target / "state.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
    pointer = folder / "latest.tmp"
    pointer.write_text(target.name, encoding="utf-8")
    os.replace(pointer, folder / "latest")
    for old in folder.glob("step-*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)


def load_state(folder):
    """The latest state as a dict: the values of state.json plus weights, ema, moments; None if there is none."""
    folder = Path(folder)
    pointer = folder / "latest"
    if not pointer.exists():
        return None
    target = folder / pointer.read_text(encoding="utf-8").strip()
    state = json.loads((target / "state.json").read_text(encoding="utf-8"))
    for name in ("weights", "ema", "moments"):
        state[name] = load_file(str(target / f"{name}.safetensors"))
    return state
