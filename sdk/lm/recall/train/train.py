"""Training in resumable pieces, on a CPU or one GPU. Run it in sdk/lm/recall:

    python -m train.train OUT --minutes 9                       # the model that ships, on a data-centre GPU
    python -m train.train OUT --minutes 9 --resume STATE_DIR    # goes on from the state files of an earlier run
    python -m train.train OUT --minutes 20 --layers 3 --hidden 128 --heads 2 --kv-heads 1 --mlp 256 --lengths 32 128 512 --batch-tokens 8192 --measure 128 512    # CPU, a toy
"""

import argparse
import csv
import json
import random
import time
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F

from .curriculum import Curriculum, rate_at
from .evaluate import COLUMNS, measure, right
from .export import write_model
from .model import Config, Decoder
from .tasks import STOP, draw, draw_repeats, draw_sizes

LOG = ("step", "seconds", "progress", "rate", "length", "task", "steps", "loss", "accuracy")
TASKS = ("pairs", "records")
# Longer texts have no repeats: what these teach is known by then.
LONGEST_REPEATS = 512
STOP_WEIGHT = 0.1


def parse(argv=None):
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the recall model")
    parser.add_argument("out", help="folder for the model, the log, the accuracies and the state")
    parser.add_argument("--minutes", type=float, help="wall-clock limit, start-up, evaluation and saving included")
    parser.add_argument("--steps", type=int, help="end by steps instead")
    parser.add_argument("--resume", metavar="FOLDER", help="folder with weights.pt and moments.pt of an earlier run")
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 128, 512, 2048, 8192, 16384], help="tokens of a text, from the first to the last stage")
    parser.add_argument("--measure", type=int, nargs="*", default=[256, 1024, 4096, 16384], help="tokens of the texts of the final evaluation")
    parser.add_argument("--batch-tokens", type=int, default=131072, help="tokens of a step")
    parser.add_argument("--batch-texts", type=int, default=1024, help="most texts of a step")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--warmup", type=int, default=200, help="steps until the full rate")
    parser.add_argument("--hold", type=float, default=0.5, help="share of the run at the full rate")
    parser.add_argument("--decay", type=float, default=0.1, help="weight decay of matrices")
    parser.add_argument("--dropout", type=float, default=0.0, help="share of the elements of keys and values that training sets to zero")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--log-every", type=int, default=200, help="steps")
    parser.add_argument("--save-every", type=float, default=60, help="seconds")
    parser.add_argument("--texts", type=int, default=32, help="texts of each row of the final evaluation")
    parser.add_argument("--threads", type=int, help="CPU threads")
    for name in ("hidden", "layers", "heads", "kv_heads", "mlp"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(Config, name))
    args = parser.parse_args(argv)
    if not args.minutes and not args.steps:
        parser.error("One of --minutes and --steps is needed")
    return args


class Run:
    """A model in training."""

    def __init__(self, args):
        self.began, self.args, self.out = time.monotonic(), args, Path(args.out)
        self.out.mkdir(parents=True, exist_ok=True)
        if args.threads:
            torch.set_num_threads(args.threads)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # Its plans are built anew for every shape.
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch.manual_seed(args.seed)
        config = Config(hidden=args.hidden, layers=args.layers, heads=args.heads, kv_heads=args.kv_heads, mlp=args.mlp, dropout=args.dropout)
        self.model = Decoder(config).to(self.device)
        decayed = [p for p in self.model.parameters() if p.dim() == 2]
        others = [p for p in self.model.parameters() if p.dim() != 2]
        groups = [{"params": decayed, "weight_decay": args.decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.98), fused=self.device.type == "cuda")
        self.generator = torch.Generator(self.device)
        self.curriculum = Curriculum(args.lengths)
        self.step, self.first, self.tokens, self.past = 0, 0, 0, []
        if args.resume:
            self.restore(Path(args.resume))

    def restore(self, folder):
        """Go on from a saved state; the schedule begins anew, and without moments.pt the optimiser does, too."""
        state = torch.load(folder / "weights.pt", map_location="cpu")
        self.model.load_state_dict(state["weights"])
        self.step = self.first = state["step"]
        self.tokens, self.past = state["tokens"], state["runs"]
        self.curriculum = Curriculum(self.args.lengths, stage=min(state["stage"], len(self.args.lengths) - 1))
        if not (folder / "moments.pt").exists():
            return
        moments = torch.load(folder / "moments.pt", map_location="cpu")
        for p, (m, v) in zip(self.parameters(), moments, strict=True):
            self.optimizer.state[p] = {"step": torch.tensor(float(self.step), device=self.device if self.device.type == "cuda" else "cpu"),
                                       "exp_avg": m.float().to(self.device), "exp_avg_sq": v.float().to(self.device)}

    def parameters(self):
        """In the order of the optimiser."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def seconds(self):
        """Since the start."""
        return time.monotonic() - self.began

    def progress(self):
        """0..1. On the clock, the final evaluation and start-up have their time."""
        if self.args.steps:
            return min(1.0, (self.step - self.first) / self.args.steps)
        return min(1.0, self.seconds() / (self.args.minutes * 60 - self.reserve()))

    def reserve(self):
        """Seconds that the end needs."""
        return min(40, 0.15 * self.args.minutes * 60)

    def draw(self):
        """Length, task and batch of a step; a function of the seed, the step and the curriculum."""
        args, seed = self.args, self.args.seed * 1_000_003 + self.step
        rng = random.Random(seed)
        self.generator.manual_seed(seed)
        length = self.curriculum.draw(rng)
        task = rng.choice((*TASKS, "repeats") if length <= LONGEST_REPEATS else TASKS)
        rows = min(args.batch_texts, max(1, args.batch_tokens // length))
        if task == "repeats":
            return length, task, draw_repeats(rows, length, self.generator, self.device)
        return length, task, draw(task, rows, length, *draw_sizes(task, length, rng), self.generator, self.device)

    def train_step(self, progress):
        """One update; returns (length, task, loss and accuracy on the device)."""
        length, task, batch = self.draw()
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(progress, self.step - self.first, self.args.rate, self.args.warmup, self.args.hold)
        # The word behind an answer ends it.
        columns = batch.asked if task == "repeats" else torch.cat((batch.asked, batch.asked[:, -1:] + 1), 1)
        with torch.autocast("cuda", torch.bfloat16) if self.device.type == "cuda" else nullcontext():
            logits = self.model(batch.ids, columns)
        logits, labels = logits.float(), batch.labels()
        answers = logits[:, :, :labels.shape[2]]
        loss = F.cross_entropy(answers.flatten(0, 2), labels.flatten())
        total = loss
        if task != "repeats":
            ends = logits[:, :, -1].flatten(0, 1)
            total = loss + STOP_WEIGHT * F.cross_entropy(ends, torch.full((len(ends),), STOP, device=self.device))
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += batch.ids.numel()
        return length, task, torch.stack((loss.detach(), right(answers, labels).float().mean()))

    def loop(self):
        """Train until the run ends, then measure and save."""
        parameters = sum(p.numel() for p in self.model.parameters())
        print(f"{parameters} parameters on {self.place()}, torch {torch.__version__}", flush=True)
        fresh, logged, saved = [], [], self.seconds()
        progress = self.progress()
        while progress < 1:
            fresh.append(self.train_step(progress))
            if len(fresh) == 10 or self.args.steps:
                fresh = self.settle(fresh, logged, progress)
            progress = self.progress()
            if len(logged) >= self.args.log_every or progress >= 1:
                self.log(logged, progress)
                logged = []
            if self.seconds() - saved > self.args.save_every:
                self.save()
                saved = self.seconds()
        self.save()
        self.report()

    def settle(self, fresh, logged, progress):
        """Wait for some steps, and let the curriculum see them."""
        numbers = torch.stack([v for *_, v in fresh]).tolist()
        steps = [(length, task, *v) for (length, task, _), v in zip(fresh, numbers)]
        logged += steps
        now = self.curriculum.lengths[self.curriculum.stage]
        accuracies = [accuracy for length, task, _, accuracy in steps if length == now and task in TASKS]
        if accuracies and self.curriculum.note(sum(accuracies) / len(accuracies), progress):
            print(f"{self.seconds():.0f} s, step {self.step}: texts of {self.curriculum.lengths[self.curriculum.stage]} tokens begin", flush=True)
        return []

    def log(self, logged, progress):
        """Append the means of the last steps, one line for each length and task."""
        path = self.out / "log.csv"
        begins = not path.exists()
        rate = self.optimizer.param_groups[0]["lr"]
        with path.open("a", newline="", encoding="utf-8") as f:
            writer = csv.writer(f)
            if begins:
                writer.writerow(LOG)
            for length, task in sorted({row[:2] for row in logged}):
                rows = [row for row in logged if row[:2] == (length, task)]
                loss, accuracy = (sum(row[i] for row in rows) / len(rows) for i in (2, 3))
                line = (self.step, f"{self.seconds():.1f}", f"{progress:.4f}", f"{rate:.2e}", length, task, len(rows), f"{loss:.4f}", f"{accuracy:.4f}")
                writer.writerow(line)
                print(" ".join(f"{c}={v}" for c, v in zip(LOG, line)), flush=True)

    def place(self):
        """What computes."""
        return torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu"

    def save(self):
        """Write the model and the state."""
        args = self.args
        runs = [*self.past, {"to_step": self.step, "tokens": self.tokens, "seconds": round(self.seconds(), 1), "device": self.place(), "torch": str(torch.__version__), "seed": args.seed,
                             "lengths": args.lengths, "batch_tokens": args.batch_tokens, "rate": args.rate, "warmup": args.warmup, "hold": args.hold, "decay": args.decay}]
        write_model(self.out, self.model, {"config": self.model.config.to_dict(), "runs": runs})
        state = {"weights": self.model.state_dict(), "step": self.step, "tokens": self.tokens, "stage": self.curriculum.stage, "runs": runs}
        torch.save(state, self.out / "weights.pt")
        moments = [[self.optimizer.state[p][key].bfloat16().cpu() for key in ("exp_avg", "exp_avg_sq")] for p in self.parameters()]
        torch.save(moments, self.out / "moments.pt")

    def report(self):
        """Measure the accuracies and write them."""
        rows = measure(self.model, self.args.measure, self.device, self.args.texts)
        with (self.out / "accuracy.csv").open("w", newline="", encoding="utf-8") as f:
            csv.writer(f).writerows((COLUMNS, *rows))
        for row in (COLUMNS, *rows):
            print("  ".join(f"{v!s:>8}" for v in row), flush=True)
        print(json.dumps({"steps": self.step, "tokens": self.tokens, "seconds": round(self.seconds(), 1)}), flush=True)


if __name__ == "__main__":
    Run(parse()).loop()
