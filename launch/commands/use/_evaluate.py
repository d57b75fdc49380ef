import dataclasses
import sys
from pathlib import Path
from typing import Annotated, final

import tyro
from rich.console import Console

from ....errors import BadInput
from ....tasks import own_paths, suite_data_sets
from ...caches._compilations import cache_compilations
from ...encoders._trained_rule import TrainedRule
from ...evaluation._evaluate import Evaluation, Sayings
from ...evaluation._rows import print_table, Row
from ...evaluation._suite_tables import print_suite
from ...options._parse import parse
from ...options._recipes import recipe
from ...records._description import describe
from ...records._files import check_no_input
from ...records._run_folder import RunFolder
from ...records._tables import read_rows, TableFiles, write_rows


def main(arguments: list[str]) -> int:
    """Runs `metarule evaluate`."""
    return parse(evaluate, arguments, "evaluate")


def evaluate(
    rule: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[RULE]")] = "default",
    /,
    evaluation: Annotated[Evaluation, tyro.conf.arg(name="")] = Evaluation(),
    rule_class: str | None = None,
    run: Path | None = None,
    table: Annotated[TableFiles, tyro.conf.arg(name="")] = TableFiles(),
) -> int:
    """Scores a rule's features with few labels on data that it may never have seen, beside baselines.

    The rule trains a base model on the unlabelled train examples; a readout is fitted on a few labelled ones and scored
    on test examples. Every encoder is scored in the same way, on the same examples. With --suite many data sets are
    scored, one after the other, and a second table says how the encoders stand on all of them.

    Args:
        rule: a rule file, the folder of a run, or the name of a rule that comes with Metarule.
        rule_class: MODULE:CLASS of your own that the rule file holds a rule of; a file never has code imported.
        run: with --suite, a folder that keeps the rows of every data set as soon as it is scored: the same command goes
            on where it was stopped.
    """
    cache_compilations()
    like = None if rule_class is None else recipe(rule_class)
    trained = TrainedRule.of(rule, evaluation.network, evaluation.activation, like)
    read = [path for name in evaluation.tasks for path in own_paths(name)]
    check_no_input([*read, *([] if trained.path is None else [trained.path])], [table.json, table.csv])
    if evaluation.suite is not None:
        return _evaluate_suite(trained, evaluation, run, table)
    if run is not None:
        raise BadInput("--run keeps the rows of a suite: name one by --suite, or leave --run out.")
    with Console(stderr=True).status("compiling") as status:  # Shown on a terminal only.
        refused = _Refused()
        rows = evaluation.rows(trained, Sayings(status.update, refused))
    if rows:
        table.write_and(lambda: print_table(rows, evaluation.title), rows)
    return refused.code


@final
class _Refused:
    """Says at once which data sets can't be scored on; the exit code says at the end that there were some."""

    def __init__(self):
        self.code = 0

    def __call__(self, error: BadInput) -> None:
        print(f"metarule: {error}", file=sys.stderr, flush=True)
        self.code = 2


def _evaluate_suite(trained: TrainedRule, evaluation: Evaluation, run: Path | None, table: TableFiles) -> int:
    assert evaluation.suite is not None
    rows: list[Row] = []
    folder = None
    if run is not None:
        settings = dataclasses.replace(evaluation, data_dir=None), dataclasses.replace(trained, path=None)
        folder = RunFolder.open_or_create(run, {"evaluation": describe(settings[0]), "rule": describe(settings[1])})
        rows = read_rows(folder.results, Row) if folder.results.exists() else []
    for each in suite_data_sets(evaluation.suite, evaluation.data_dir):
        if not each.present:
            missing = ", ".join(str(path) for path in each.where if not path.is_file())
            print(f"{each.name} is missing and left out: put {missing} there.", flush=True)
    done = {row["task"] for row in rows}
    rest = [name for name in evaluation.names if name not in done]
    refused = _Refused()
    with Console(stderr=True).status("compiling") as status:
        for own in evaluation.in_turn(rest, trained, Sayings(status.update, refused)):
            rows += own
            table.keep(rows)
            if folder is not None:
                write_rows(folder.results, rows)
    table.write_and(lambda: print_suite(rows, evaluation.title), rows)
    return refused.code
