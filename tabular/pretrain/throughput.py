"""Speed of a training step and where its time goes: python -m pretrain.throughput [--compile] [--cells N] [--trace]."""

import argparse
import time

import torch

from .priors.mixture import draw_batch
from .priors.shapes import draw_shape, step_rng
from .train import Run, batch_seed, parse


def synchronize():
    """Wait for the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure training steps at full table sizes")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--cells", default="1500000")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--trace", action="store_true")
    args = parser.parse_args()
    began = time.monotonic()
    run = Run(parse(["no-state", "--steps", "1000", "--preset", args.preset, "--cells", args.cells] + (["--compile"] if args.compile else [])))
    print(f"start {time.monotonic() - began:.1f} s")
    for _ in range(4):
        run.train_step(1.0)
    synchronize()
    began, tables = time.monotonic(), run.tables
    times = []
    for _ in range(args.steps):
        before = time.monotonic()
        last = run.train_step(1.0)
        issued = time.monotonic() - before
        if args.trace:
            synchronize()
            times.append(f"{issued * 1e3:.0f}/{(time.monotonic() - before) * 1e3:.0f}")
    synchronize()
    print("issued/done ms per step:", *times)
    seconds = time.monotonic() - began
    print(f"compile={args.compile} cells={args.cells}: {args.steps / seconds:.2f} steps/s, {(run.tables - tables) / seconds:.0f} tables/s, last {last.tolist()}")
    if torch.cuda.is_available():
        print(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    began = time.monotonic()
    for i in range(args.steps):
        shape = draw_shape(step_rng(0, i), 1.0, run.limits)
        draw_batch(shape, run.device, batch_seed(0, i, 0))
    issued = time.monotonic() - began
    synchronize()
    print(f"prior: {(time.monotonic() - began) / args.steps * 1e3:.1f} ms per step (issued in {issued / args.steps * 1e3:.1f} ms)")
    if args.trace:
        with torch.profiler.profile(activities=list(torch.profiler.supported_activities())) as profile:
            for _ in range(2):
                run.train_step(1.0)
            synchronize()
        def spent(event):
            return getattr(event, "self_device_time_total", 0) or getattr(event, "self_cpu_time_total", 0)

        for e in sorted(profile.key_averages(), key=spent, reverse=True)[:32]:
            print(f"{spent(e) / 2e3:9.2f} ms {e.count // 2:5d}x  {e.key[:110]}")


if __name__ == "__main__":
    main()
