"""The model directory: model.safetensors in float16, config.json and the tokenizer's files."""

import json
import struct
from pathlib import Path

import torch

from .tasks import BOS, STOP
from .words import write_tokenizer

LONGEST = 16384


def config_json(c):
    """The configuration in the keys of Llama checkpoints."""
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": c.vocabulary, "hidden_size": c.hidden, "intermediate_size": c.mlp,
        "num_hidden_layers": c.layers, "num_attention_heads": c.heads, "num_key_value_heads": c.kv_heads, "head_dim": c.head_dim,
        "max_position_embeddings": LONGEST, "rope_theta": c.theta, "rope_scaling": None, "rms_norm_eps": c.eps, "hidden_act": "silu",
        "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True, "bos_token_id": BOS, "eos_token_id": STOP, "torch_dtype": "float16",
    }


def write_safetensors(path, tensors, metadata):
    """A safetensors file of float16 tensors."""
    header, at, blobs = {"__metadata__": metadata}, 0, []
    for name, tensor in tensors.items():
        half = tensor.detach().cpu().half().contiguous()
        blobs.append(bytes(half.flatten().view(torch.uint8).tolist()))
        header[name] = {"dtype": "F16", "shape": list(half.shape), "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with Path(path).open("wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.writelines(blobs)


def write_model(folder, model, provenance):
    """Write everything that a model directory needs; provenance is a JSON-able object."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    write_safetensors(folder / "model.safetensors", tensors, {"format": "pt", "provenance": json.dumps(provenance)})
    (folder / "config.json").write_text(json.dumps(config_json(model.config), indent=2) + "\n", encoding="utf-8")
    write_tokenizer(folder)
