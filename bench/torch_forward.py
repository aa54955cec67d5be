"""Times one forward pass of the model in PyTorch (eval, float32) and prints one line of JSON.

    python torch_forward.py --config stage_scripts --train 400 --test 169 --features 30 --threads 2
    python torch_forward.py --weights FILE.safetensors --train 100 --test 50 --features 4
    python torch_forward.py --all                     both official configurations at both sizes

Seconds: median, min, max and all runs. With --weights the configuration and the weights come from the file,
otherwise weights are random.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tabular"))

from pretrain.config import CODE_DEFAULTS, SMALL, STAGE_SCRIPTS  # noqa: E402
from pretrain.export import read_weights  # noqa: E402
from pretrain.golden import randomize  # noqa: E402
from pretrain.model import OrionMSP  # noqa: E402

CONFIGS = {"code_defaults": CODE_DEFAULTS, "stage_scripts": STAGE_SCRIPTS, "small": SMALL}
SIZES = ((100, 50, 4), (400, 169, 30))


@torch.inference_mode()
def measure(model, train, test, features, runs, warmup=2, classes=3):
    """Spread of the seconds of one forward pass."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(1, train + test, features, generator=g)
    y = torch.arange(train).remainder(classes)[None]
    seconds = []
    for i in range(warmup + runs):
        start = time.perf_counter()
        model(x, y)
        if i >= warmup:
            seconds.append(time.perf_counter() - start)
    return {"train": train, "test": test, "features": features, "threads": torch.get_num_threads(),
            "median": statistics.median(seconds), "min": min(seconds), "max": max(seconds), "runs": seconds}


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description="Time a forward pass in PyTorch")
    parser.add_argument("--weights", help="safetensors file with its configuration")
    parser.add_argument("--config", choices=sorted(CONFIGS), default="code_defaults")
    parser.add_argument("--all", action="store_true", help="both official configurations at both sizes")
    parser.add_argument("--train", type=int, default=100)
    parser.add_argument("--test", type=int, default=50)
    parser.add_argument("--features", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    names = ("code_defaults", "stage_scripts") if args.all else (args.config,)
    sizes = SIZES if args.all else ((args.train, args.test, args.features),)
    results = []
    for name in names:
        model = read_weights(args.weights)[0] if args.weights else randomize(OrionMSP(CONFIGS[name]), 0).eval()
        for size in sizes:
            results.append({"config": args.weights or name} | measure(model, *size, args.runs))
    common = {"torch": torch.__version__}
    print(json.dumps(common | {"results": results} if args.all else common | results[0]))


if __name__ == "__main__":
    main()
