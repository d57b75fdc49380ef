import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import equinox as eqx
import jax.random as jr
import numpy as np

from ...errors import BadInput
from ..evaluation._data import load_all
from ..evaluation._rows import Row
from ..figures._plots import COLOURS, panels, Picture, save
from ..options._ingredients import INGREDIENTS, leave_out
from ..options._names import choose
from ..options._recipes import ARCHITECTURES, build, BuiltIn
from ..options._training import Training
from ..records._rule_file import load_rule
from ..records._tables import print_columns, read_rows, write_rows
from ..training._experiment import protocol_of
from ._intervals import Interval


def variants_of(training: Training, ingredients: Sequence[str]) -> dict[str, Training]:
    """Returns one training for each ingredient: without it or, if the rule lacks it, with it.

    With no ingredients named, all are tried; of those that change the rule in the same way, only the first. Raises
    `BadInput` for an unknown ingredient, for one that the rule does not have, and where nothing of the rule is left.
    """
    recipe = _named(training)
    # The shapes and structures of rules tell them apart: no array has to be initialised.
    rule = eqx.filter_eval_shape(recipe.build, jr.key(0))
    variants, seen = {}, [rule]
    for name in ingredients or INGREDIENTS:
        choose(name, INGREDIENTS, "ingredient")
        without = recipe.without
        restored = name in without
        rest = tuple(each for each in without if each != name) if restored else (*without, name)
        variant = dataclasses.replace(training, rule=dataclasses.replace(recipe, without=rest))
        changed = eqx.filter_eval_shape(variant.rule.build, jr.key(0))
        if ingredients and eqx.tree_equal(rule, changed) is True:
            raise BadInput(f"This rule has no ingredient {name!r} that could be left out.")
        if ingredients or not any(eqx.tree_equal(changed, other) is True for other in seen):
            variants[f"with {name}" if restored else f"without {name}"] = variant
            seen.append(changed)
    return variants


def without_of(training: Training) -> tuple[str, ...]:
    """The ingredients that a training's rule is made without. Raises `BadInput` for a rule without named ones."""
    return _named(training).without


def _named(training: Training) -> BuiltIn:
    if not isinstance(training.rule, BuiltIn):
        raise BadInput(f"Only Metarule's own rules have ingredients with names: --rule {' or '.join(ARCHITECTURES)}.")
    return training.rule


@final
@dataclasses.dataclass(frozen=True)
class Cell:
    """Held-out accuracies of one seed and one variant, in [0, 1].

    `accuracy` is that of a rule meta-trained as the variant. `switched_off` is that of the whole rule with the
    ingredient deleted after meta-training; None for the whole rule itself.
    """

    accuracy: float
    switched_off: float | None
    seconds: float


def accuracy_of(rows: Sequence[Row]) -> float:
    return float(np.mean([row["accuracy"] for row in rows if row["encoder"] == "meta-trained"]))


def switched_off(whole: Path, variant: Training, results: Path, data_dir: Path | None) -> float:
    """Returns the accuracy of the rule file `whole` without the variant's ingredient; `results` caches the rows."""
    if results.exists():
        return accuracy_of(read_rows(results, Row))
    protocol, rule = protocol_of(variant), leave_out(load_rule(whole, build), without_of(variant))
    encoders = [("meta-trained", protocol.fitted(rule, variant.evaluation_steps))]
    data_sets = load_all(variant.held_out, data_dir, variant.labels)
    rows = protocol.rows(encoders, data_sets)
    write_rows(results, rows)
    return accuracy_of(rows)


def row_of(name: str, own: Sequence[Cell], whole: Sequence[Cell]) -> dict[str, Any]:
    change = Interval.of([cell.accuracy - base.accuracy for cell, base in zip(own, whole)])
    off = [cell.switched_off - base.accuracy for cell, base in zip(own, whole) if cell.switched_off is not None]
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


def print_ablation(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    def column(mean: str, half: str, sign: bool) -> list[str]:
        texts = [Interval(row[mean], row[half]).text(sign=sign) for row in rows]
        return ["" if "nan" in text else text for text in texts]  # NaN: nothing was switched off.

    columns = {
        "variant": [row["variant"] for row in rows],
        "accuracy\n%": column("accuracy", "accuracy_interval", False),
        "change,\nmeta-trained": column("change", "change_interval", True),
        "change,\nswitched off": column("switched_off_change", "switched_off_interval", True),
        "seconds\nper seed": [f"{row['seconds']:.0f}" for row in rows],
    }
    caption = "± is half a 95% confidence interval over seeds; changes are in percentage points, paired by seed"
    print_columns(title, columns, caption)


def plot_ablation(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    variants = [row for row in rows if row["variant"] != "whole rule"]
    figure, (axes,) = panels(1, 7.5, 1.4 + 0.34 * len(variants))
    positions = np.arange(len(variants))
    for offset, colour, key, label in (
        (-0.2, COLOURS[0], "change", "meta-trained as this variant"),
        (0.2, COLOURS[1], "switched_off", "switched off in the trained rule"),
    ):
        mean = 100 * np.array([row["change" if key == "change" else "switched_off_change"] for row in variants])
        half = 100 * np.array([row[f"{key}_interval"] for row in variants])
        error = np.where(np.isfinite(half), half, 0)
        axes.barh(positions + offset, np.nan_to_num(mean), 0.38, xerr=error, color=colour, capsize=2, label=label)
    axes.set_yticks(positions, [row["variant"] for row in variants])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_ylim(len(variants) - 0.4, -0.6)
    axes.set_xlabel("change in held-out accuracy, percentage points\n(bars: 95% confidence interval over seeds)")
    axes.legend(frameon=False, loc="best")
    save(figure, (path, Picture()))
