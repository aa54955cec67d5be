"""The same model behind FastAPI and PyTorch: answers for new rows with the keys and values that `classifier.save()` wrote.

    python fastapi_peer.py CONTEXT WEIGHTS.safetensors [--threads 1]

Listens on a free port of the loopback and prints it. `POST /v1/tabular/contexts/{id}/predict` takes and gives what
Filigree's route does, for numeric columns. One request is one pass; weights are folded and positions computed ahead.
"""

import argparse
import json
import socket
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tabular"))

from pretrain.config import ModelConfig  # noqa: E402
from pretrain.layers import fold, rotate, sdpa  # noqa: E402
from pretrain.model import OrionMSP  # noqa: E402
from pretrain.rows import group_mean  # noqa: E402

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "I32": torch.int32, "U8": torch.uint8}


def read_safetensors(data):
    """The tensors and the metadata of a file's bytes."""
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=TYPES[entry["dtype"]]).view(entry["shape"])
    return tensors, metadata


class Folded:
    """A block of the model with its norms folded into its weights."""

    def __init__(self, block):
        self.heads = block.attn.heads
        weight, bias = fold(block.norm1, block.attn.in_proj_weight, block.attn.in_proj_bias)
        d = weight.shape[1]
        self.q = weight[:d].contiguous(), bias[:d].contiguous()
        self.kv = weight[d:].contiguous(), bias[d:].contiguous()
        self.out = block.attn.out_proj.weight, block.attn.out_proj.bias
        self.ff1 = fold(block.norm2, block.linear1.weight, block.linear1.bias)
        self.ff2 = block.linear2.weight, block.linear2.bias

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def finish(self, x, read):
        x = x + F.linear(read.transpose(-2, -3).flatten(-2), *self.out)
        return x + F.linear(F.gelu(F.linear(F.layer_norm(x, x.shape[-1:]), *self.ff1)), *self.ff2)

    def read(self, x, k, v):
        """Rows x read keys and values that are split into heads already."""
        q = self.split(F.linear(F.layer_norm(x, x.shape[-1:]), *self.q))
        return self.finish(x, sdpa(q, k, v))

    def self_read(self, x, cos, sin, mask, queries):
        """Self-attention with rotary positions in which the first `queries` rows ask."""
        xn = F.layer_norm(x, x.shape[-1:])
        q = rotate(self.split(F.linear(xn[:, :queries], *self.q)), cos[:queries], sin[:queries])
        k, v = map(self.split, F.linear(xn, *self.kv).chunk(2, -1))
        return self.finish(x[:, :queries], sdpa(q, rotate(k, cos, sin), v, mask))


class Context:
    """A fitted context: what new rows need of the train rows."""

    def __init__(self, context, weights):
        tensors, metadata = read_safetensors(Path(weights).read_bytes())
        config = ModelConfig.from_json(metadata["config"])
        self.model = OrionMSP(config)
        self.model.load_state_dict({name: value.float() for name, value in tensors.items()})
        self.model.eval()
        self.config = config
        saved, metadata = read_safetensors(Path(context).read_bytes())
        header = json.loads(metadata["context"])
        self.classes = header["classes"]
        self.temperature = header["settings"]["softmaxTemperature"]
        columns = header["encoder"]["columns"]
        assert all(column["kind"] == "number" for column in columns) and bool(saved["kept"].all())
        self.names = [column["name"] for column in columns]
        self.means = np.array([column["mean"] for column in columns])
        self.pipelines = [(method, {name.split(".")[2]: value.numpy() for name, value in saved.items()
                                    if name.startswith(f"pipelines.{i}.")}) for i, method in enumerate(header["methods"])]
        self.column_blocks = [Folded(block.multihead_attn2) for block in self.model.col_embedder.tf_col.blocks]
        self.column_keys = []
        for i in range(len(self.pipelines)):
            pairs = [saved[f"columns.{i}.{b}"].float().chunk(2, -1) for b in range(len(self.column_blocks))]
            self.column_keys.append([tuple(block.split(part).contiguous() for part in pair)
                                     for block, pair in zip(self.column_blocks, pairs)])
        members = header["members"]
        self.shifts = torch.tensor([m["classShift"] for m in members])
        orders = [(header["methods"].index(m["norm"]), tuple(saved[f"members.{i}.pattern"].tolist())) for i, m in enumerate(members)]
        distinct = list(dict.fromkeys(orders))
        self.methods = torch.tensor([method for method, _ in distinct])[:, None]
        self.patterns = torch.tensor([pattern for _, pattern in distinct])
        self.of_member = torch.tensor([distinct.index(order) for order in orders])
        self.scales = []
        rows = self.model.row_interactor
        for scale, mask, encoder in zip(config.row_scales, rows.masks(len(columns)), rows.scale_encoders):
            length = config.specials + -(-len(columns) // scale)
            angle = torch.arange(length)[:, None] * encoder.rope.freqs
            self.scales.append((scale, mask, angle.cos(), angle.sin(), [Folded(block) for block in encoder.blocks]))
        self.icl_blocks = [Folded(block) for block in self.model.icl_predictor.tf_icl.blocks]
        self.icl_keys = []
        for layer, block in enumerate(self.icl_blocks):
            cache, _ = read_safetensors(bytes(saved[f"caches.0.{layer}"].numpy()))
            self.icl_keys.append(tuple(cache[name].float().unflatten(0, (len(members), block.heads)) for name in "kv"))

    def preprocess(self, rows):
        """Rows as objects -> one table [columns, rows] per method."""
        table = np.array([[np.nan if (cell := row.get(name)) is None else cell for name in self.names] for row in rows])
        table = np.where(np.isnan(table), self.means, table)
        for method, s in self.pipelines:
            x = np.clip((table - s["mean"]) / s["divisor"], -100, 100)
            if method == "power":
                high, low = np.maximum(x, 0), np.minimum(x, 0)
                l, m = s["lambdas"], 2 - s["lambdas"]
                up = np.where(l == 0, np.log1p(high), ((high + 1) ** l - 1) / np.where(l == 0, 1, l))
                down = np.where(m == 0, -np.log1p(-low), -((1 - low) ** m - 1) / np.where(m == 0, 1, m))
                x = (np.where(x >= 0, up, down) - s["standard_mean"]) / s["standard_scale"]
            x = np.where(x < s["lower"], np.maximum(s["lower"] - np.log1p(np.abs(x)), x), x)
            x = np.where(x > s["upper"], np.minimum(s["upper"] + np.log1p(np.abs(x)), x), x)
            yield torch.from_numpy(np.ascontiguousarray(x.T, dtype=np.float32))

    @torch.inference_mode()
    def predict(self, rows):
        """Probabilities [rows, classes]."""
        embedder, interactor, icl, config = self.model.col_embedder, self.model.row_interactor, self.model.icl_predictor, self.config
        cells = []
        for x, keys in zip(self.preprocess(rows), self.column_keys):
            src = torch.addcmul(embedder.in_linear.bias, x[..., None], embedder.in_linear.weight[:, 0])
            for block, (k, v) in zip(self.column_blocks, keys):
                src = block.read(src, k, v)
            cells.append(torch.addcmul(embedder.ln_b(embedder.out_b(src)), x[..., None], embedder.ln_w(embedder.out_w(src))))
        m = len(rows)
        features = torch.stack(cells)[self.methods, self.patterns].transpose(1, 2).flatten(0, 1)
        specials = torch.cat((interactor.cls_tokens, interactor.global_tokens)).expand(features.shape[0], -1, -1)
        total = 0
        for scale, mask, cos, sin, blocks in self.scales:
            x = torch.cat((specials, group_mean(features[None], scale, True)[0]), 1)
            for block in blocks[:-1]:
                x = block.self_read(x, cos, sin, mask, x.shape[1])
            total = total + blocks[-1].self_read(x, cos, sin, None, config.row_num_cls)
        encoded = interactor.out_ln(total / len(self.scales)).view(-1, m, config.icl_dim)
        x = encoded[self.of_member]
        for block, (k, v) in zip(self.icl_blocks, self.icl_keys):
            x = block.read(x, k, v)
        logits = icl.decoder(icl.ln(x))[..., :len(self.classes)]
        places = (torch.arange(len(self.classes)) + self.shifts[:, None]) % len(self.classes)
        mean = logits.gather(2, places[:, None].expand(-1, m, -1)).mean(0)
        return torch.softmax(mean.double() / self.temperature, -1).tolist()


class Body(BaseModel):
    """The body of a request."""

    rows: list[dict[str, float | None]]


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description="Serve a fitted context with FastAPI and PyTorch")
    parser.add_argument("context")
    parser.add_argument("weights")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    context = Context(args.context, args.weights)
    app = FastAPI()
    one_at_a_time = threading.Lock()

    @app.post("/v1/tabular/contexts/{id}/predict")
    def predict(id: str, body: Body):
        with one_at_a_time:
            probabilities = context.predict(body.rows)
        return {"classes": context.classes, "predictions": [
            {"label": context.classes[max(range(len(row)), key=row.__getitem__)], "probabilities": dict(zip(context.classes, row))}
            for row in probabilities
        ]}

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
