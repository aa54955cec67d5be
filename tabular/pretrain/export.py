"""State dict -> safetensors in float32, float16 or int8, with configuration and provenance in the metadata.

    python -m pretrain.export STATE_DIR OUT.safetensors [--form f16|int8|f32]

int8: a matrix `name` is stored as I8 [out, in] beside `name.scale` F32 [out]; value = int8 * scale of its row.
"""

import argparse
import json

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from .config import ModelConfig
from .model import OrionMSP

# Matrices that stay in float16 in the int8 form: tiny, and everything depends on them.
PRECISE = ("in_linear", "y_encoder", "decoder.2", "tokens", "latents", "pma.seed", "ind_vectors")


def quantize_rows(w):
    """Symmetric int8 per output channel: (int8 [out, in], scale [out])."""
    scale = (w.abs().amax(1) / 127).clamp_min(1e-12)
    return torch.round(w / scale[:, None]).clamp(-127, 127).to(torch.int8), scale


def encode(state_dict, form="f16"):
    """Tensors as they are stored. Vectors (biases, norms, constants) always stay float32."""
    out = {}
    for name, value in state_dict.items():
        value = value.detach().cpu().float().contiguous()
        if form == "f32" or value.dim() == 1:
            out[name] = value
        elif form == "int8" and value.dim() == 2 and not any(p in name for p in PRECISE):
            out[name], out[f"{name}.scale"] = quantize_rows(value)
        else:
            out[name] = value.half()
    return out


def decode(tensors):
    """The float32 state dict of stored tensors of any form."""
    out = {}
    for name, value in tensors.items():
        if name.endswith(".scale") and tensors.get(name[:-6], value).dtype == torch.int8:
            continue
        out[name] = value.float() * tensors[f"{name}.scale"][:, None] if value.dtype == torch.int8 else value.float()
    return out


def write_weights(path, state_dict, config, form="f16", provenance=None):
    """Write a weights file; provenance is a JSON-able object."""
    metadata = {"format": "pt", "config": config.to_json(), "form": form, "params": json.dumps({"slug": "orion-msp", "kind": "weights"})}
    if provenance is not None:
        metadata["provenance"] = json.dumps(provenance)
    save_file(encode(state_dict, form), str(path), metadata=metadata)


def read_weights(path):
    """A weights file of any form -> (model in eval mode, metadata)."""
    with safe_open(str(path), "pt") as f:
        tensors = {k: f.get_tensor(k) for k in f.keys()}
        metadata = f.metadata()
    model = OrionMSP(ModelConfig.from_json(metadata["config"]))
    model.load_state_dict(decode(tensors))
    return model.eval(), metadata


def main():
    """Command line."""
    from .state import load_state

    parser = argparse.ArgumentParser(description="Export the averaged weights of a training state")
    parser.add_argument("state", help="folder written by pretrain.train")
    parser.add_argument("out")
    parser.add_argument("--form", choices=("f32", "f16", "int8"), default="f16")
    parser.add_argument("--measured", help="JSON file with figures of pretrain.evaluate, kept in the provenance")
    args = parser.parse_args()
    state = load_state(args.state)
    provenance = state["provenance"]
    if args.measured:
        with open(args.measured, encoding="utf-8") as f:
            provenance["measured"] = json.load(f)
    config = ModelConfig.from_dict(state["config"])
    write_weights(args.out, state["ema"], config, args.form, provenance)


if __name__ == "__main__":
    main()
