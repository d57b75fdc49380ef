from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax.random as jr

from ..tasks import BadInput
from ._configuration import describe, parse_training, Run, Training
from ._encoders import Contest, encoders_of, LEARNED
from ._few_shot import load_all, Protocol
from ._meta_training import MetaTraining
from ._network import network
from ._presets import PRESETS, with_estimator
from ._problems import problems_of
from ._rule_file import save_rule
from ._rules import configuration_of
from ._run_folder import RunFolder
from ._start import cache_compilations
from ._table import print_table, write_rows


def main(arguments: list[str]) -> int:
    """Runs `metarule train`."""
    preset, training, run = parse_training(arguments, PRESETS, with_estimator)
    cache_compilations()
    problems, validation = problems_of(training, run.data_dir)
    held_out = load_all(training.held_out, run.data_dir, training.labels)  # Here, and not after hours of meta-training.
    key = jr.key(training.seed)
    untrained = training.rule.build(jr.fold_in(key, 0))
    meta_training = MetaTraining(training, problems, validation, key)
    start = meta_training.init(untrained, key)
    untrained = start.meta.theta  # The same numbers in the form that the trained rule has: nothing is compiled twice.
    folder = _folder(preset, training, run)
    state, seconds, done = meta_training.run(start, folder, run.resume)
    if not done:
        print(f"Stopped at step {int(state.meta.step)} and saved: go on with --run {folder.path} --resume.")
        return 0
    save_rule(folder.rule, state.best, configuration_of(training.rule), _record(preset, training, seconds))
    protocol = Protocol(
        network(training.networks[0], training.activation, training.weight_scale),
        labels=training.labels,
        seeds=training.seeds,
        batch_size=training.batch_sizes[0],
    )
    encoders = encoders_of(LEARNED, Contest(protocol, state.best, untrained, (training.evaluation_steps,)))
    rows = [row for data_set in held_out for row in protocol.rows(encoders, data_set)]
    write_rows(folder.results, rows)
    print_table(rows, f"Accuracy with {training.labels} labels per class", json_file=run.json)
    print(f"The rule is {folder.rule}, meta-trained in {seconds:.0f} s; try `metarule evaluate {folder.path}`.")
    return 0


def _record(preset: str, training: Training, seconds: float) -> dict[str, Any]:
    """Where a rule comes from, and the base model that it is evaluated with unless a person says otherwise."""
    return {
        "preset": preset,
        "seed": training.seed,
        "steps": training.steps,
        "seconds": round(seconds, 1),
        "estimator": describe(training.estimator),
        "sources": list(training.sources),
        "side": training.side,
        "network": training.networks[0],
        "activation": training.activation,
        "weight_scale": training.weight_scale,
        "batch_size": training.batch_sizes[0],
        "evaluation_steps": training.evaluation_steps,
        "metarule": version("metarule"),
    }


def _folder(preset: str, training: Training, run: Run) -> RunFolder:
    configuration = {"preset": preset, **describe(training)}
    if run.resume:
        path = run.run or _latest(preset, training)
        return RunFolder.open(path, configuration, may_change=("steps",))
    return RunFolder.create(run.run or _unused(preset, training), configuration)


def _names(preset: str, training: Training) -> list[Path]:
    base = f"{preset}-seed{training.seed}"
    return [Path("runs") / (base if count == 1 else f"{base}-{count}") for count in range(1, 1000)]


def _unused(preset: str, training: Training) -> Path:
    return next(path for path in _names(preset, training) if not path.exists())


def _latest(preset: str, training: Training) -> Path:
    there = [path for path in _names(preset, training) if path.exists()]
    if not there:
        raise BadInput(f"There is no run of {preset} with seed {training.seed} to resume: say which with --run DIR.")
    return there[-1]
