from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from ..caches._compilations import cache_compilations
from ..encoders._trained_rule import TrainedRule
from ..evaluation._evaluate import Evaluation
from ..evaluation._rows import print_table
from ..options._recipes import recipe


def main(arguments: list[str]) -> int:
    """Runs `metarule evaluate`."""
    return tyro.cli(evaluate, args=arguments, prog="metarule evaluate")


def evaluate(
    rule: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[RULE]")] = "default",
    /,
    evaluation: Annotated[Evaluation, tyro.conf.arg(name="")] = Evaluation(),
    rule_class: str | None = None,
    json: Path | None = None,
) -> int:
    """Scores a rule's features with few labels on data that it may never have seen, beside baselines.

    The rule trains a base model on the unlabelled train examples; a readout is fitted on a few labelled ones and scored
    on test examples. Every encoder is scored in the same way, on the same examples.

    Args:
        rule: a rule file, the folder of a run, or the name of a rule that comes with Metarule.
        rule_class: MODULE:CLASS of your own that the rule file holds a rule of; a file never has code imported.
        json: also write the table here.
    """
    cache_compilations()
    like = None if rule_class is None else recipe(rule_class)
    trained = TrainedRule.of(rule, evaluation.network, evaluation.activation, like)
    with Console(stderr=True).status("compiling") as status:  # Shown on a terminal only.
        rows = evaluation.rows(trained, status.update)
    print_table(rows, evaluation.title, json_file=json)
    return 0
