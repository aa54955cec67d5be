"""Training in resumable pieces, on a CPU or any number of GPUs.

    python -m pretrain.train DIR --preset tiny --steps 200 --cells 20000
    torchrun --nproc_per_node 2 -m pretrain.train DIR --total-minutes 19 --minutes 9.5 --compile
    torchrun --nproc_per_node 2 -m pretrain.train DIR --init WEIGHTS.safetensors --total-minutes 9 --rate 7e-4 --warmup 100 --hold 0.2
"""

import csv
import datetime
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F

from .flat import AdamW, FlatModel
from .layers import compile_ops
from .options import parse
from .priors import VERSION
from .priors.mixture import draw_batch
from .priors.shapes import Limits, draw_shape, step_rng
from .schedule import Clock, ema_decay, rate_at
from .start import first_model, steps_behind
from .state import load_state, save_state

COLUMNS = ("step", "tables", "seconds", "progress", "rate", "loss", "frequency_loss", "grad_norm", "held_out", "held_out_frequency")
SYNC = 10


def losses(logits, batch):
    """Cross-entropy of the test rows, and that of the context's class frequencies."""
    labels = batch.labels[:, batch.train:]
    logits = logits.float().masked_fill(~batch.real[:, None, :], -torch.inf)
    loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
    with torch.no_grad():
        counts = F.one_hot(batch.labels[:, :batch.train], logits.shape[-1]).float().mean(1)
        frequency = counts.clamp_min(1e-4).log()[:, None, :].expand_as(logits)
        reference = F.cross_entropy(frequency.flatten(0, 1), labels.flatten(), ignore_index=-100)
    return loss, reference


def batch_seed(seed, step, rank):
    """Seed of the data of one step on one rank; negative steps are held-out tables."""
    return ((seed * 1_000_003 + step) * 64 + rank) & 0x7FFF_FFFF_FFFF


class Run:
    """Everything one rank holds."""

    def __init__(self, args):
        self.began = time.monotonic()
        self.args = args
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        cuda = torch.cuda.is_available()
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(self.device)
            torch.backends.cuda.matmul.allow_tf32 = True
            # Plans of the cuDNN kernels are built anew for every shape, and every step has its own shape;
            # of the others the memory-efficient kernel is the fastest for short sequences.
            torch.backends.cuda.enable_cudnn_sdp(False)
            torch.backends.cuda.enable_flash_sdp(False)
        if self.world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if cuda else "gloo")
        state = load_state(args.folder)
        torch.manual_seed(args.seed)
        model, self.origin = first_model(args, state)
        self.config = model.config
        self.flat = FlatModel(model, self.device, torch.bfloat16 if cuda else torch.float32)
        self.vector = self.flat.vector
        self.optimizer = AdamW(self.vector.numel(), self.flat.decayed, self.device)
        self.ema = self.vector.detach().clone()
        self.step, self.tables, self.pieces = 0, 0, []
        seconds = 0.0
        if state:
            self.restore(state)
            seconds = state["seconds"]
        if args.compile:
            compile_ops()
        if cuda:
            self.warm_up()
        used = time.monotonic() - self.began
        piece = args.minutes * 60 - used - 8 if args.minutes else None
        self.clock = Clock(args.steps, args.total_minutes and args.total_minutes * 60, self.step, seconds, piece, args.finish)
        self.limits = Limits(rows=(min(64, args.max_rows), args.max_rows), features=(2, args.max_features), cells=args.cells)
        if self.origin:
            # The first training had the curriculum already.
            self.limits = replace(self.limits, ramp=(-1.0, 0.0))

    def restore(self, state):
        """Go on from a saved state."""
        with torch.no_grad():
            self.vector.copy_(self.flat.pack(state["weights"]))
        self.ema = self.flat.pack(state["ema"])
        self.optimizer.m.copy_(state["moments"]["m"])
        self.optimizer.v.copy_(state["moments"]["v"])
        self.step, self.tables, self.pieces = state["step"], state["tables"], state["pieces"]

    def warm_up(self):
        """Library start-up and compilation before the clock runs."""
        for progress in (0.0, 1.0):
            shape = draw_shape(step_rng(self.args.seed, -7), progress, Limits(cells=100_000))
            loss, _ = self.forward(self.vector, shape, -7)
            loss.backward()
        self.vector.grad = None

    def forward(self, vector, shape, step):
        """Losses on this rank's tables of a step."""
        batch = draw_batch(shape, self.device, batch_seed(self.args.seed, step, self.rank), self.config.max_classes)
        return losses(self.flat(vector, batch.x, batch.labels[:, :batch.train]), batch)

    def all_reduce(self, tensor):
        """Mean over the ranks, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
            tensor /= self.world
        return tensor

    def agree(self, *values):
        """Rank 0's numbers on every rank."""
        if self.world == 1:
            return values
        t = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.broadcast(t, 0)
        return t.tolist()

    def rate(self, progress):
        """Learning rate of the next step."""
        return rate_at(progress, self.step, self.args.rate, self.args.warmup, self.args.hold)

    def train_step(self, progress):
        """One update; returns (loss, frequency loss, gradient norm) on the device."""
        # Weights from a file have seen the tables of their own steps.
        drawn = self.step + steps_behind(self.origin)
        shape = draw_shape(step_rng(self.args.seed, drawn), progress, self.limits)
        loss, reference = self.forward(self.vector, shape, drawn)
        loss.backward()
        grad = self.all_reduce(self.vector.grad)
        rate = self.rate(progress)
        norm = self.optimizer.step(self.vector, grad, rate, self.step + 1)
        self.vector.grad = None
        self.ema.lerp_(self.vector.detach(), 1 - ema_decay(self.step))
        self.step += 1
        self.tables += shape.tables * self.world
        return torch.stack((loss.detach(), reference, norm))

    def held_out(self):
        """Loss of the averaged weights on tables that training never draws (seeds of negative steps)."""
        if not self.args.held_out:
            return float("nan"), float("nan")
        total = torch.zeros(2, device=self.device)
        with torch.no_grad():
            for i in range(self.args.held_out):
                shape = draw_shape(step_rng(self.args.seed, -1000 - i), 1.0, replace(self.limits, cells=min(self.limits.cells, 400_000)))
                total += torch.stack(self.forward(self.ema, shape, -1000 - i)) / self.args.held_out
        return self.all_reduce(total).tolist()

    def save(self):
        """Write the state (rank 0)."""
        if self.rank:
            return
        a = self.args
        provenance = {
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"), "steps": self.step, "tables": self.tables,
            "seconds": round(self.clock.seconds(), 1), "seed": a.seed, "prior_version": VERSION, "ranks": self.world,
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu", "torch": torch.__version__,
            "rate": a.rate, "warmup": a.warmup, "hold": a.hold, "limits": asdict(self.limits),
            "pieces": self.pieces + [{"to_step": self.step, "ranks": self.world}],
        }
        if self.origin:
            provenance["init"] = self.origin
        meta = {"step": self.step, "tables": self.tables, "seconds": self.clock.seconds(), "config": self.config.to_dict(),
                "pieces": provenance["pieces"], "provenance": provenance}
        moments = {"m": self.optimizer.m.to(torch.bfloat16).cpu(), "v": self.optimizer.v.to(torch.bfloat16).cpu()}
        save_state(a.folder, meta, self.flat.state_dict(self.vector), self.flat.state_dict(self.ema), moments)

    def log(self, row):
        """Append to the log and show it (rank 0)."""
        if self.rank:
            return
        path = Path(self.args.folder) / "log.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as f:
            writer = csv.writer(f)
            if fresh:
                writer.writerow(COLUMNS)
            writer.writerow(row)
        print(" ".join(f"{c}={v}" for c, v in zip(COLUMNS, row)), flush=True)

    def loop(self):
        """Train until the schedule or this piece ends."""
        window, saved, last = [], time.monotonic(), None if self.args.stop_after is None else self.step + self.args.stop_after
        if self.origin and not self.step:
            self.log((0, 0, "0.0", "0.0000", f"{self.rate(0):.2e}", "", "", "", *(f"{v:.4f}" for v in self.held_out())))
        following, over = self.agree(self.clock.progress(self.step), float(self.clock.over(self.step)))
        while not over and self.step != last:
            progress = following
            window.append(self.train_step(progress))
            if self.step % SYNC == 0 or self.args.steps:
                following, over = self.agree(self.clock.progress(self.step), float(self.clock.over(self.step)))
            ends = over or self.step == last
            held = self.held_out() if ends or self.step % self.args.held_out_every == 0 else None
            if held or self.step % self.args.log_every == 0:
                self.report(window, progress, held or ("", ""))
                window = []
            if not ends and time.monotonic() - saved > self.args.save_every:
                self.save()
                saved = time.monotonic()
        self.save()

    def report(self, window, progress, held):
        """Mean of the last steps, over the ranks, as one line."""
        loss, reference, norm = self.all_reduce(torch.stack(window).nanmean(0)).tolist()
        rate = self.rate(progress)
        numbers = (f"{v:.4f}" if v != "" else "" for v in (loss, reference, norm, *held))
        self.log((self.step, self.tables, f"{self.clock.seconds():.1f}", f"{progress:.4f}", f"{rate:.2e}", *numbers))


def main(argv=None):
    """Train one piece."""
    run = Run(parse(argv))
    run.loop()
    if run.world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
