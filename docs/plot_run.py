"""Draws a run and its accuracy along the inner loop (lab book, 6): python docs/plot_run.py RUN CURVE.json OUT.png

CURVE.json comes from `metarule evaluate RUN --encoders meta-trained untrained random-init
--steps 5 10 25 50 100 200 400 --json CURVE.json`.
"""

import json
import sys
from pathlib import Path

import matplotlib
import numpy as np


matplotlib.use("Agg")
import matplotlib.pyplot as plt


COLOURS = {"meta-trained": "#0072B2", "untrained": "#D55E00", "random-init": "#555555"}


def main(run: str, curve: str, out: str) -> None:
    lines = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    loss = np.array([line["meta_loss"] for line in lines], float)
    window = 10
    smooth = np.convolve(loss, np.ones(window) / window, mode="valid")
    rows = [row for row in json.loads(Path(curve).read_text()) if row["readout"] == "ridge"]
    task = rows[0]["task"]

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    left.plot(np.arange(1, len(loss) + 1), loss, color="#BBBBBB", linewidth=1, label="each meta-step")
    left.plot(np.arange(window, len(loss) + 1), smooth, color="#0072B2", label=f"mean of {window}")
    left.set(xlabel="meta-step", ylabel="meta-loss (few-shot, cosine)", title="Meta-training on rendered letters")
    left.legend(frameon=False)
    for name, colour in COLOURS.items():
        own = sorted((row for row in rows if row["encoder"] == name), key=lambda row: row["steps"])
        accuracy, error = (100 * np.array([row[key] for row in own]) for key in ("accuracy", "stderr"))
        if name == "random-init":
            right.axhline(accuracy[0], color=colour, linestyle="--", label=f"{name} (no steps)")
            continue
        steps = [row["steps"] for row in own]
        right.errorbar(steps, accuracy, 2 * error, color=colour, marker="o", markersize=4, capsize=3, label=name)
    right.set_xscale("log")
    right.set(xlabel="inner steps on unlabelled examples", ylabel=f"accuracy on {task}, %")
    right.set_title(f"10 labels per class; bars: 2 standard errors, {rows[0]['seeds']} seeds", fontsize=10)
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
