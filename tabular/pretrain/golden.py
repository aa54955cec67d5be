"""Writes the golden files of filigree mode: python -m pretrain.golden OUT_DIR."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from .config import TINY
from .model import OrionMSP

CASES = {
    "filigree-tiny": (
        replace(TINY, row_window=3, row_num_random=2, link_seed=7, col_num_inds=6, row_num_blocks=6, icl_nhead=4), 201,
        "window 3, two seeded links per query, no memory; 21 features are no multiple of 4 or 16",
    ),
    "filigree-tiny-memory": (
        replace(TINY, row_window=2, perc_num_latents=4, perc_layers=2, col_num_inds=6, row_num_blocks=6, icl_nhead=4), 202,
        "memory whose read layers see train rows only, window 2, no links",
    ),
}


def randomize(model, seed):
    """Random weights without a zero layer; rotary constants stay."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("freqs"):
                continue
            noise = torch.randn(p.shape, generator=g)
            if "norm" in name or ".ln" in name or "_ln" in name:
                p.copy_(0.1 * noise + (1.0 if name.endswith("weight") else 0.0))
            elif p.dim() == 1:
                p.copy_(0.1 * noise)
            elif name.endswith(("tokens", "vectors", "latents", "seed")):
                p.copy_(noise)
            else:
                p.copy_(noise / p.shape[1] ** 0.5)
    return model


def write_case(name, folder):
    """One golden file."""
    config, seed, note = CASES[name]
    model = randomize(OrionMSP(config), seed).eval()
    g = torch.Generator().manual_seed(seed + 1000)
    x = torch.randn(2, 36, 21, generator=g)
    y = torch.stack([torch.randperm(24, generator=g) % 3 for _ in range(2)])
    x[:, :24] += 0.7 * y[..., None]
    stages = {}
    with torch.no_grad():
        out = model(x, y, stages=stages)
    last = f"icl.block{config.icl_num_blocks - 1}"
    kept = {k: v for k, v in stages.items() if k.startswith(("row.R", "mem.", "icl.")) and k != last}
    kept |= {k: v.to(torch.uint8) for k, v in stages.items() if k.startswith("mask.")}
    tensors = {"X": x, "y_train": y.float(), "out": out} | kept | {f"sd.{k}": v for k, v in model.state_dict().items()}
    params = {"slug": "orion-msp", "kind": "model", "case": name, "config": config.to_dict(), "mode": "eval", "forward": {},
              "dtype": "float32", "torch_seed": 0, "weight_seed": seed, "note": note}
    save_file({k: v.contiguous() for k, v in tensors.items()}, str(folder / f"{name}.safetensors"), metadata={"params": json.dumps(params)})


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for case in CASES:
        write_case(case, target)
