from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...rules import AbstractRule
from ..options._recipes import configuration_of
from ..options._training import Training
from ..records._description import describe
from ..records._rule_file import save_rule


def keep_rule(path: Path, rule: AbstractRule, training: Training, origin: dict[str, Any]) -> None:
    """Writes a rule of a run to a rule file. `origin` holds the preset, and the meta-steps and seconds so far.

    The file's record holds `origin`, the settings of the run, and the base model that the rule is evaluated with by
    default. Raises `BadInput` where the file can't be written.
    """
    record = {
        "seed": training.seed,
        "estimator": describe(training.estimator),
        "start": training.start,
        "sources": list(training.sources),
        "side": training.side,
        "network": training.networks[0],
        "activation": training.activation,
        "weight_scale": training.weight_scale,
        "batch_size": training.batch_sizes[0],
        "evaluation_steps": training.evaluation_steps,
        "metarule": version("metarule"),
    }
    save_rule(path, rule, configuration_of(training.rule), origin | record)
