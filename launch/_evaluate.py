from pathlib import Path
from typing import Annotated

import jax.random as jr
import tyro

from ..rules import AbstractRule
from ..tasks import BadInput, load
from ._few_shot import Protocol
from ._network import network as make_network
from ._rule_file import describe, load_rule, locate_rule
from ._rules import build
from ._start import cache_compilations
from ._table import print_table, Row


def main(arguments: list[str]) -> int:
    """Runs `metarule evaluate`."""
    return tyro.cli(evaluate, args=arguments, prog="metarule evaluate")


def evaluate(
    rule: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RULE")],
    /,
    tasks: tuple[str, ...] = ("digits",),
    labels: int = 10,
    seeds: int = 10,
    steps: tuple[int, ...] = (),
    network: str | None = None,
    activation: str | None = None,
    batch_size: int | None = None,
    queries: int = 1000,
    data_dir: Path | None = None,
    json: Path | None = None,
) -> int:
    """Scores a rule's features with few labels on data that it may never have seen.

    The rule trains a base model on the unlabelled train examples; a readout is fitted on a few labelled ones and scored
    on test examples. The untrained rule and the base model's random start are scored beside it.

    Args:
        rule: a rule file, or the folder of a run.
        tasks: data sets, such as digits, mnist14, fashion_mnist28 or PATH.npz; `metarule data list` names them.
        labels: labelled examples per class.
        seeds: repetitions, each with its own start, order of inputs and examples.
        steps: inner steps to score after, several for a curve; by default what the rule was meta-trained for.
        network: layer widths of the base model, features last, such as 64-64-32; by default the rule's own.
        activation: relu, leaky-relu, swish, tanh or step; by default the rule's own.
        batch_size: unlabelled examples in an inner step; by default the rule's own.
        queries: test examples to score on, for each seed.
        data_dir: folder of data sets; also METARULE_DATA.
        json: also write the table here.
    """
    cache_compilations()
    if min(labels, seeds, queries) < 1 or min(steps, default=0) < 0 or (batch_size is not None and batch_size < 2):
        raise BadInput("--labels, --seeds and --queries need 1 or more, --batch-size 2 or more, --steps 0 or more.")
    path = locate_rule(rule)
    configuration, record = describe(path)
    trained = load_rule(path, build)
    untrained = build(configuration, jr.fold_in(jr.key(record.get("seed", 0)), 0))
    protocol = Protocol(
        make_network(
            network or record.get("network", "128-128-128-128-32"),
            activation or record.get("activation", "relu"),
            record.get("weight_scale", 0.01),
        ),
        labels=labels,
        seeds=seeds,
        queries=queries,
        batch_size=batch_size or record.get("batch_size", 128),
    )
    lengths = steps or (record.get("evaluation_steps", 3000),)
    data_sets = [load(name, data_dir) for name in tasks]  # All, before anything is computed.
    rows: list[Row] = []
    for data_set in data_sets:
        for length in lengths:
            encoders: dict[str, tuple[AbstractRule, int]] = {
                "meta-trained": (trained, length),
                "untrained": (untrained, length),
            }
            rows += protocol.rows(encoders, data_set)
        rows += protocol.rows({"random-init": (untrained, 0)}, data_set)
    print_table(rows, f"Accuracy with {labels} labels per class", json_file=json)
    return 0
