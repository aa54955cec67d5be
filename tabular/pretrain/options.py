"""The command line of training."""

import argparse

from .config import PRESETS
from .priors.shapes import Limits


def parse(argv=None):
    """Command line."""
    parser = argparse.ArgumentParser(description="Train a model on synthetic tables")
    parser.add_argument("folder", help="state folder; training goes on from the state in it")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="configuration (default: that of --init, else small)")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="integer configuration keys to change")
    parser.add_argument("--init", metavar="WEIGHTS", help="exported weights to begin with, if the folder holds no state yet")
    parser.add_argument("--steps", type=int, help="schedule and end by global step")
    parser.add_argument("--total-minutes", type=float, help="schedule and end by training time over all pieces")
    parser.add_argument("--minutes", type=float, help="wall-clock limit of this piece, start-up and saving included")
    parser.add_argument("--stop-after", type=int, help="end this piece after so many of its steps (0: only measure --init)")
    parser.add_argument("--finish", action="store_true", help="bend the schedule so that it ends with this piece")
    parser.add_argument("--cells", type=int, default=Limits.cells, help="rows x (features + 8) x tables per step and rank")
    parser.add_argument("--max-rows", type=int, default=Limits.rows[1])
    parser.add_argument("--max-features", type=int, default=Limits.features[1])
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--warmup", type=int, default=300, help="steps until the full rate")
    parser.add_argument("--hold", type=float, default=0.3, help="share of the schedule at the full rate, warm-up included")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--compile", action="store_true", help="compile the pointwise-heavy functions")
    parser.add_argument("--held-out", type=int, default=16, help="held-out batches per rank (0: none)")
    parser.add_argument("--held-out-every", type=int, default=1000)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--save-every", type=float, default=180, help="seconds between safety copies of the state")
    args = parser.parse_args(argv)
    if not args.steps and not args.total_minutes:
        parser.error("One of --steps and --total-minutes is needed")
    return args
