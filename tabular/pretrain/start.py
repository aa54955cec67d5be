"""What a run begins with: a saved state, exported weights or random numbers."""

import hashlib
import json
from dataclasses import replace

from .config import PRESETS, ModelConfig
from .export import read_weights
from .model import OrionMSP


def first_model(args, state):
    """The network a piece begins with, and the provenance of the file that its run began with ({} if there was none)."""
    if state:
        return OrionMSP(ModelConfig.from_dict(state["config"])), state["provenance"].get("init", {})
    changes = {k: int(v) for k, v in (item.split("=") for item in args.set)}
    if not args.init:
        return OrionMSP(replace(PRESETS[args.preset or "small"], **changes)).init_for_training(), {}
    model, origin = read_start(args.init)
    wanted = replace(PRESETS[args.preset] if args.preset else model.config, **changes)
    if model.config != wanted:
        theirs, ours = model.config.to_dict(), wanted.to_dict()
        keys = ", ".join(k for k in sorted(theirs | ours) if theirs.get(k) != ours.get(k))
        raise ValueError(f'Cannot begin with "{args.init}": its configuration differs from the one asked for in {keys}; leave out --preset and --set')
    return model, origin


def read_start(path):
    """A weights file to train on from -> (model, its provenance with the file's hash, without the figures measured with it)."""
    model, metadata = read_weights(path)
    provenance = json.loads(metadata.get("provenance", "{}"))
    provenance.pop("measured", None)
    with open(path, "rb") as f:
        provenance["sha256"] = hashlib.file_digest(f, "sha256").hexdigest()
    return model, provenance


def steps_behind(origin):
    """Steps that the weights of a file took, and those of the file that they began with."""
    return origin.get("steps", 0) + steps_behind(origin.get("init")) if origin else 0
