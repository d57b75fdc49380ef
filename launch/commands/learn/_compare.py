import dataclasses
from pathlib import Path
from typing import Annotated, Any, final, Literal

import jax.random as jr
import tyro

from ....errors import BadInput
from ....meta import diagnose, Length
from ...caches._compilations import cache_compilations
from ...inspection._numbers import sizes
from ...options._command_line import Command, parse_training
from ...options._estimators import ESTIMATORS, with_estimator
from ...options._problems import problems_of
from ...options._recipes import recipe
from ...options._training import RunOptions, Training
from ...records._description import describe
from ...records._rule_file import load_rule_like, locate_rule
from ...records._run_folder import RunFolder
from ...records._tables import TableFiles, write_rows
from ...studies._cell import cell_run
from ...studies._comparison import (
    by_data_set,
    for_seconds,
    learned,
    plot_comparison,
    plot_rules,
    print_comparison,
    print_rules,
    reference_estimator,
    sampled,
)
from ...training._experiment import first_rule
from ...training._meta_run import MetaRun


@final
@dataclasses.dataclass(frozen=True)
class Comparison:
    """Which estimators or which rules to compare, with what, and where to keep it."""

    estimators: tuple[str, ...] = ()
    """Names as for `metarule train --estimator`; by default all of them, and tbptt to compare rules."""
    rules: tuple[str, ...] = ()
    """Compare rules in place of estimators, by names as for `metarule train --rule`: what each learns in --seconds."""
    tasks_per_step: int | None = None
    """Tasks in a meta-step of each estimator; by default as many as the preset has."""
    window: int | None = None
    """Steps between two meta-steps of each estimator; by default as many as the preset has."""
    reference: Literal["backprop", "full-es"] = "backprop"
    """What the others are measured against: the exact gradient, or that of the smoothed loss."""
    samples: int = 8
    """Independent starts of each estimator; the reference gets four times as many."""
    at: Path | None = None
    """A rule (file or run folder) at which to estimate its meta-gradient; by default a fresh one."""
    seconds: float = 0.0
    """Also meta-train with each for so many seconds of meta-steps, and score what was learned; 0 for not at all."""
    seeds: int = 3
    """Such runs of each estimator or rule."""
    run: Path | None = None
    """Folder of the comparison; by default runs/compare-PRESET. What is there already is not done again."""
    data_dir: Path | None = None
    """Folder of data sets; also METARULE_DATA."""
    table: Annotated[TableFiles, tyro.conf.arg(name="")] = TableFiles()


_Rows = list[dict[str, Any]]

_COMMAND = Command(
    "compare",
    "Measure estimators of the meta-gradient on one problem from one state: bias, variance, cost. Or, with --rules, "
    "what rules of several encodings learn in equal time.",
    "training",
    choices=("rule", "objective", "tasks"),
)


def main(arguments: list[str]) -> int:
    """Runs `metarule compare`."""
    training, comparison = parse_training(arguments, Comparison(), _COMMAND)
    cache_compilations()
    if comparison.samples < 2 or comparison.seeds < 1 or comparison.seconds < 0:
        raise BadInput("--samples needs 2 or more, --seeds 1 or more, --seconds 0 or more.")
    training = dataclasses.replace(
        training,
        tasks_per_step=training.tasks_per_step if comparison.tasks_per_step is None else comparison.tasks_per_step,
        window=training.window if comparison.window is None else Length(comparison.window),
    )
    path = comparison.run or Path("runs") / f"compare-{training.preset}"
    if comparison.rules:
        rows, show = _rules(training, comparison, path), print_rules
        title = f"Rules: {training.preset}, {comparison.seconds:g} s of meta-steps, {comparison.seeds} seeds"
    else:
        rows, show = _estimators(training, comparison, path), print_comparison
        title = f"Estimators beside {comparison.reference}: {training.preset}, {comparison.samples} samples"
    if rows is None:
        print("Stopped and saved: the same command goes on.")
        return 0
    comparison.table.write_and(lambda: show(rows, title), rows)
    print(f"Table and picture: {path / 'comparison.csv'}, {path / 'comparison.png'}.")
    return 0


def _estimators(training: Training, comparison: Comparison, path: Path) -> _Rows | None:
    """A row for each estimator; None if meta-training was stopped."""
    trainings = {name: with_estimator(training, name) for name in comparison.estimators or ESTIMATORS}
    theta = first_rule(training, training.rule.build(jr.fold_in(jr.key(training.seed), 0)))
    if comparison.at is not None:
        theta = load_rule_like(locate_rule(comparison.at), theta)
    problem = problems_of(training, comparison.data_dir)[0][0]
    for each in trainings.values():  # Whether it suits the problem.
        each.estimator.check(problem, theta, jr.key(0))
    settings = {"reference": comparison.reference, "samples": comparison.samples, "at": str(comparison.at)}
    settings |= {"seconds": comparison.seconds}
    RunFolder.open_or_create(path, {**describe(training), **settings})
    key = jr.key(training.seed)
    reference = reference_estimator(training, comparison.reference)
    apart, here = ((problem, theta, jr.fold_in(key, kind)) for kind in range(2))  # They must share no key.
    right = sampled(path / "reference.npz", reference, apart, 4 * comparison.samples)
    rows: _Rows = []
    for name, each in trainings.items():
        folder = path / name.replace(":", "-")
        found = sampled(folder / "samples.npz", each.estimator, here, comparison.samples)
        rows.append({"estimator": name, **dataclasses.asdict(diagnose(found, right))})
        if comparison.seconds:
            runs = _meta_train(for_seconds(each, comparison.seconds, found.seconds), folder, comparison)
            if runs is None:
                return None
            rows[-1] |= learned(runs)
        _keep(rows, path)
    plot_comparison(rows, path)
    return rows


def _rules(training: Training, comparison: Comparison, path: Path) -> _Rows | None:
    """A row for each rule, all meta-trained with one estimator for equal time; None if that was stopped."""
    if not comparison.seconds or comparison.at is not None or len(comparison.estimators) > 1:
        raise BadInput(
            "--rules are compared by what they learn: say for how long with --seconds, with at most one of "
            "--estimators, and without --at."
        )
    training = with_estimator(training, *(comparison.estimators or ("tbptt",)))
    trainings = {name: dataclasses.replace(training, rule=recipe(name)) for name in comparison.rules}
    first = {name: each.rule.build(jr.fold_in(jr.key(each.seed), 0)) for name, each in trainings.items()}
    problem = problems_of(training, comparison.data_dir)[0][0]
    for theta in first.values():
        training.estimator.check(problem, theta, jr.key(0))
    settings = {"compared": "rules", "samples": comparison.samples, "seconds": comparison.seconds}
    RunFolder.open_or_create(path, {**describe(training), **settings})
    rows: _Rows = []
    for name, each in trainings.items():
        folder = path / name.replace(":", "-")
        where = problem, first[name], jr.key(each.seed)
        found = sampled(folder / "samples.npz", each.estimator, where, comparison.samples)
        runs = _meta_train(for_seconds(each, comparison.seconds, found.seconds), folder, comparison)
        if runs is None:
            return None
        cost = {"seconds": found.seconds, "inner_steps": found.inner_steps, "memory": found.memory}
        rows.append(
            {"rule": name, "numbers": sum(sizes(first[name]).values()), **cost, **learned(runs), **by_data_set(runs)}
        )
        _keep(rows, path)
    plot_rules(rows, path)
    return rows


def _keep(rows: _Rows, path: Path) -> None:
    for suffix in ("json", "csv"):
        write_rows(path / f"comparison.{suffix}", rows)


def _meta_train(training: Training, folder: Path, comparison: Comparison) -> list[MetaRun] | None:
    """A run of every seed, or None if they were stopped."""
    runs = []
    for seed in range(training.seed, training.seed + comparison.seeds):
        print(f"{folder.name}, seed {seed}", flush=True)
        place = RunOptions(folder / f"seed{seed}", data_dir=comparison.data_dir)
        runs.append(cell_run(dataclasses.replace(training, seed=seed), place))
        if runs[-1].rows is None:
            return None
    return runs
