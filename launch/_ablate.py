import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import equinox as eqx
import jax
import jax.random as jr
import numpy as np

from ..tasks import BadInput
from ._configuration import choose, Command, describe, parse_training, Run, Training
from ._crew import Crew
from ._few_shot import load_all
from ._ingredients import INGREDIENTS, leave_out
from ._intervals import Interval
from ._machines import Machines
from ._meta_run import cell_run, protocol_of
from ._plots import COLOURS, panels, save
from ._presets import PRESETS, with_estimator
from ._rule_file import load_rule
from ._rules import build
from ._run_folder import RunFolder
from ._start import cache_compilations, share_cores
from ._table import print_columns, Row, write_rows


@final
@dataclasses.dataclass(frozen=True)
class Ablation:
    """What to ablate, how often, and where to keep it."""

    ingredients: tuple[str, ...] = ()
    """Ingredients to leave out, one at a time; one that the rule lacks is put back instead. By default all."""
    seeds: int = 3
    """Meta-training runs of each variant."""
    run: Path | None = None
    """Folder of the runs; by default runs/ablation-PRESET. What is there already is not done again."""
    data_dir: Path | None = None
    """Folder of data sets; also METARULE_DATA."""
    json: Path | None = None
    """Also write the table here."""


_COMMAND = Command(
    "ablate",
    "Meta-train a rule without each of its ingredients, with the same steps and seeds, and tell what each is worth.",
    "training",
)


def main(arguments: list[str]) -> int:
    """Runs `metarule ablate`."""
    share_cores()
    preset, training, ablation = parse_training(arguments, PRESETS, with_estimator, Ablation(), _COMMAND)
    cache_compilations()
    if ablation.seeds < 1:
        raise BadInput(f"--seeds must be 1 or more; got {ablation.seeds}.")
    variants = variants_of(training, ablation.ingredients)
    path = ablation.run or Path("runs") / f"ablation-{preset}"
    RunFolder.keep(path, {"preset": preset, **describe(training)})
    crew = Crew(machines=Machines())
    cells: dict[str, list[_Cell]] = {}
    rows: list[dict[str, Any]] = []
    for name, variant in {"whole rule": training, **variants}.items():
        cells[name] = []
        for seed in range(training.seed, training.seed + ablation.seeds):
            print(f"{name}, seed {seed}", flush=True)
            folder = path / name.replace(" ", "-") / f"seed{seed}"
            finished = cell_run(
                preset, dataclasses.replace(variant, seed=seed), Run(folder, data_dir=ablation.data_dir), crew
            )
            if finished.rows is None:
                print("Stopped and saved: the same command goes on.")
                return 0
            off = None
            if len(variant.rule.without) > len(training.rule.without):
                whole = path / "whole-rule" / f"seed{seed}" / "rule.safetensors"
                off = _switched_off(whole, variant, folder / "switched-off.json", ablation.data_dir)
            cells[name].append(_Cell(_accuracy(finished.rows), off, finished.seconds))
        jax.clear_caches()  # Each variant has programs of its own: kept, they would fill the memory.
        rows = [_row(name, own, cells["whole rule"]) for name, own in cells.items()]  # A table after every variant.
        for suffix in ("json", "csv"):
            write_rows(path / f"ablation.{suffix}", rows)
    _print(rows, f"What each ingredient is worth: {preset}, {ablation.seeds} seeds, {', '.join(training.held_out)}")
    _plot(rows, path / "ablation.png")
    if ablation.json is not None:
        write_rows(ablation.json, rows)
    print(f"Table and picture: {path / 'ablation.csv'}, {path / 'ablation.png'}.")
    return 0


def variants_of(training: Training, ingredients: Sequence[str]) -> dict[str, Training]:
    """A training for each ingredient: without it or, if the rule lacks it, with it.

    Without names, for all ingredients that make a difference, and of a group whose other parts the rule lacks anyway
    only the part. Raises `BadInput` for unknown ones and for those that leave nothing of the rule.
    """
    rule = eqx.filter_eval_shape(training.rule.build, jr.key(0))
    variants, made = {}, [rule]
    for name in ingredients or INGREDIENTS:
        choose(name, INGREDIENTS, "ingredient")
        without = training.rule.without
        back = name in without
        rest = tuple(each for each in without if each != name) if back else (*without, name)
        variant = dataclasses.replace(training, rule=dataclasses.replace(training.rule, without=rest))
        changed = eqx.filter_eval_shape(variant.rule.build, jr.key(0))
        if ingredients and eqx.tree_equal(rule, changed) is True:
            raise BadInput(f"This rule has no ingredient {name!r} that could be left out.")
        if ingredients or not any(eqx.tree_equal(changed, other) is True for other in made):
            variants[f"with {name}" if back else f"without {name}"] = variant
            made.append(changed)
    return variants


@final
@dataclasses.dataclass(frozen=True)
class _Cell:
    """Held-out accuracies of one seed: meta-trained as a variant, and switched off in the whole trained rule."""

    accuracy: float
    switched_off: float | None
    seconds: float


def _accuracy(rows: Sequence[Row]) -> float:
    return float(np.mean([row["accuracy"] for row in rows if row["encoder"] == "meta-trained"]))


def _switched_off(whole: Path, variant: Training, kept: Path, data_dir: Path | None) -> float:
    """Accuracy of a trained rule without an ingredient that it was trained with."""
    if kept.exists():
        return _accuracy(json.loads(kept.read_text()))
    protocol, rule = protocol_of(variant), leave_out(load_rule(whole, build), variant.rule.without)
    encoders = [("meta-trained", protocol.fitted(rule, variant.evaluation_steps))]
    data_sets = load_all(variant.held_out, data_dir, variant.labels)
    rows = protocol.rows(encoders, data_sets)
    write_rows(kept, rows)
    return _accuracy(rows)


def _row(name: str, own: Sequence[_Cell], whole: Sequence[_Cell]) -> dict[str, Any]:
    change = Interval.of([mine.accuracy - theirs.accuracy for mine, theirs in zip(own, whole)])
    off = [mine.switched_off - theirs.accuracy for mine, theirs in zip(own, whole) if mine.switched_off is not None]
    switched = Interval.of(off) if off else Interval(float("nan"), float("nan"))
    accuracy = Interval.of([cell.accuracy for cell in own])
    return {
        "variant": name,
        "accuracy": accuracy.mean,
        "accuracy_interval": accuracy.half,
        "change": change.mean,
        "change_interval": change.half,
        "switched_off_change": switched.mean,
        "switched_off_interval": switched.half,
        "seeds": len(own),
        "seconds": float(np.mean([cell.seconds for cell in own])),
    }


def _print(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    def column(mean: str, half: str, sign: bool) -> list[str]:
        texts = [Interval(row[mean], row[half]).text(sign=sign) for row in rows]
        return ["" if "nan" in text else text for text in texts]

    columns = {
        "variant": [row["variant"] for row in rows],
        "accuracy\n%": column("accuracy", "accuracy_interval", False),
        "change,\nmeta-trained so": column("change", "change_interval", True),
        "change, only\nswitched off": column("switched_off_change", "switched_off_interval", True),
        "seconds\na seed": [f"{row['seconds']:.0f}" for row in rows],
    }
    caption = "± is half a 95% confidence interval over seeds; changes are in points and paired by seed"
    print_columns(title, columns, caption)


def _plot(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    variants = [row for row in rows if row["variant"] != "whole rule"]
    figure, (axes,) = panels(1, 7.5, 1.4 + 0.34 * len(variants))
    place = np.arange(len(variants))
    for offset, colour, key, label in (
        (-0.2, COLOURS[0], "change", "meta-trained so"),
        (0.2, COLOURS[1], "switched_off", "only switched off in the trained rule"),
    ):
        mean = 100 * np.array([row["change" if key == "change" else "switched_off_change"] for row in variants])
        half = 100 * np.array([row[f"{key}_interval"] for row in variants])
        error = np.where(np.isfinite(half), half, 0)
        axes.barh(place + offset, np.nan_to_num(mean), 0.38, xerr=error, color=colour, capsize=2, label=label)
    axes.set_yticks(place, [row["variant"] for row in variants])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_ylim(len(variants) - 0.4, -0.6)
    axes.set_xlabel("change in held-out accuracy, percentage points\n(bars: 95% confidence interval over seeds)")
    axes.legend(frameon=False, loc="best")
    save(figure, path)
