"""Accuracy, AUC and log-loss on real tables, beside baselines where their figures are at hand.

    python -m pretrain.evaluate WEIGHTS.safetensors [--out FIGURES.json] [--baselines BASELINES.json] [--members 8]

Protocol: 50/50 stratified splits with seeds 0..4. The tables come with scikit-learn.
"""

import argparse
import json

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import PowerTransformer

from .ensemble import members
from .export import read_weights

TABLES = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer, "digits": load_digits}


def outlier_bounds(x, threshold=4.0):
    """Lower and upper bounds of every column, from the values that are no outliers themselves."""
    def moments(values):
        mean, std = np.nanmean(values, 0), np.nanstd(values, 0, ddof=1 if len(values) > 1 else 0)
        return mean, np.maximum(np.nan_to_num(std), 1e-6)

    mean, std = moments(x)
    mean, std = moments(np.where(np.abs(x - mean) > threshold * std, np.nan, x))
    return mean - threshold * std, mean + threshold * std


def soften(x, low, high):
    """Beyond the bounds values grow with their logarithm only."""
    x = np.maximum(low - np.log1p(np.abs(x)), x)
    return np.minimum(high + np.log1p(np.abs(x)), x)


def preprocess(train, test, norm):
    """Scale, normalise, soften outliers: statistics of the train rows, applied to both."""
    mean, std = train.mean(0), train.std(0) + 1e-6
    train, test = (np.clip((x - mean) / std, -100, 100) for x in (train, test))
    if norm == "power":
        transform = PowerTransformer("yeo-johnson", standardize=True).fit(train)
        train, test = transform.transform(train), transform.transform(test)
    low, high = outlier_bounds(train)
    return np.concatenate((soften(train, low, high), soften(test, low, high)))


@torch.no_grad()
def predict_proba(model, x_train, y_train, x_test, count=8, temperature=0.9, seed=42):
    """Class probabilities of the test rows by the mean logits of an ensemble; y_train holds 0..k-1, no missing cells."""
    device = next(model.parameters()).device
    kept = np.array([len(np.unique(c)) > 1 for c in x_train.T]) if len(x_train) > 1 else np.ones(x_train.shape[1], bool)
    x_train, x_test = x_train[:, kept].astype(np.float64), x_test[:, kept].astype(np.float64)
    k = int(y_train.max()) + 1
    chosen = members(x_train.shape[1], k, count, seed=seed)
    tables = {norm: preprocess(x_train, x_test, norm) for norm in {m[0] for m in chosen}}
    total = np.zeros((len(x_test), k))
    for norm, order, shift in chosen:
        x = torch.tensor(tables[norm][:, order], dtype=torch.float32, device=device)[None]
        y = torch.tensor((y_train + shift) % k, device=device)[None]
        logits = model(x, y)[0].double().cpu().numpy()
        total += logits[:, (np.arange(k) + shift) % k]
    scores = total / len(chosen) / temperature
    scores = np.exp(scores - scores.max(1, keepdims=True))
    return scores / scores.sum(1, keepdims=True)


def measure(model, name, seeds=range(5), count=8):
    """Figures of one table: lists over the splits."""
    x, y = TABLES[name](return_X_y=True)
    figures = {"accuracy": [], "auc_ovo": [], "log_loss": []}
    for seed in seeds:
        x1, x2, y1, y2 = train_test_split(x, y, test_size=0.5, stratify=y, random_state=seed)
        p = predict_proba(model, x1, y1, x2, count)
        figures["accuracy"].append(round(accuracy_score(y2, p.argmax(1)), 6))
        auc = roc_auc_score(y2, p[:, 1]) if p.shape[1] == 2 else roc_auc_score(y2, p, multi_class="ovo")
        figures["auc_ovo"].append(round(auc, 6))
        figures["log_loss"].append(round(log_loss(y2, p), 6))
    return {metric: {"mean": float(np.mean(v)), "std": float(np.std(v)), "runs": v} for metric, v in figures.items()}


def report(figures, baselines=None):
    """A readable table."""
    lines = []
    for name, values in figures.items():
        rows = {"this model": values}
        if baselines:
            rows |= baselines["datasets"][name]["models"]
        for who, v in rows.items():
            lines.append(f"{name:14} {who:28} " + "  ".join(f"{m} {v[m]['mean']:.4f}" for m in ("accuracy", "auc_ovo", "log_loss")))
    return "\n".join(lines)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure a weights file on real tables")
    parser.add_argument("weights")
    parser.add_argument("--out")
    parser.add_argument("--baselines")
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--tables", nargs="*", default=list(TABLES))
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    model, _ = read_weights(args.weights)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    figures = {name: measure(model, name, range(args.splits), args.members) for name in args.tables}
    baselines = None
    if args.baselines:
        with open(args.baselines, encoding="utf-8") as f:
            baselines = json.load(f)
    print(report(figures, baselines))
    if args.out:
        with open(args.out, "w", encoding="utf-8") as f:
            json.dump({"members": args.members, "protocol": "stratified 50/50 splits, seeds 0..4", "tables": figures}, f, indent=1)


if __name__ == "__main__":
    main()
