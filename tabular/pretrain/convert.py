"""Official checkpoint (.ckpt) -> safetensors: python -m pretrain.convert IN.ckpt OUT.safetensors.

The checkpoint is read without executing any code it might hold. Names and shapes are checked against its own `config`.
"""

import argparse
import json

import torch
from safetensors.torch import save_file

from .config import ModelConfig
from .model import OrionMSP


def expected_shapes(config):
    """Names and shapes of every parameter, without allocating them."""
    with torch.device("meta"):
        return {n: tuple(p.shape) for n, p in OrionMSP(config).state_dict().items()}


def check(state_dict, config):
    """Raise ValueError if a name is missing or unknown, or a shape does not fit the configuration."""
    shapes = expected_shapes(config)
    missing, extra = sorted(set(shapes) - set(state_dict)), sorted(set(state_dict) - set(shapes))
    if missing or extra:
        raise ValueError(f"The checkpoint does not fit its configuration: missing {missing[:5]}, unknown {extra[:5]}")
    for name, shape in shapes.items():
        if tuple(state_dict[name].shape) != shape:
            raise ValueError(f'"{name}" has shape {tuple(state_dict[name].shape)}, its configuration asks for {shape}')


def convert(source, target):
    """Write float32 tensors and the configuration; returns the configuration."""
    checkpoint = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(checkpoint, dict) or not {"config", "state_dict"} <= set(checkpoint):
        raise ValueError('A checkpoint must hold "config" and "state_dict"')
    config = ModelConfig.from_dict(checkpoint["config"])
    check(checkpoint["state_dict"], config)
    # A fresh copy each, since safetensors refuses tensors that share storage.
    tensors = {n: t.detach().float().contiguous().clone() for n, t in checkpoint["state_dict"].items()}
    metadata = {"format": "pt", "config": config.to_json(), "params": json.dumps({"slug": "orion-msp", "kind": "weights"})}
    save_file(tensors, str(target), metadata=metadata)
    return config


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description="Convert an official checkpoint")
    parser.add_argument("source")
    parser.add_argument("target")
    args = parser.parse_args()
    print(convert(args.source, args.target).to_json())


if __name__ == "__main__":
    main()
