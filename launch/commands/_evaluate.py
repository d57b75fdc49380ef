from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from ...errors import BadInput
from ..caches._compilations import cache_compilations
from ..encoders._trained_rule import TrainedRule
from ..evaluation._contestants import Comparators, ENCODERS, encoders_of
from ..evaluation._data import load_each
from ..evaluation._protocol import Protocol
from ..evaluation._rows import print_table


_QUICK = (3, 300, 10_000, 0.2)
"""Of `--quick`: seeds, test and unlabelled examples at most, and the share of their steps that baselines get."""


def main(arguments: list[str]) -> int:
    """Runs `metarule evaluate`."""
    return tyro.cli(evaluate, args=arguments, prog="metarule evaluate")


def evaluate(
    rule: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[RULE]")] = "default",
    /,
    tasks: tuple[str, ...] = ("digits",),
    encoders: tuple[str, ...] = tuple(ENCODERS),
    labels: int = 10,
    seeds: int = 10,
    steps: tuple[int, ...] = (),
    statistics: Literal["batch", "frozen"] = "batch",
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    network: str | None = None,
    activation: str | None = None,
    batch_size: int | None = None,
    queries: int = 1000,
    unlabelled: int | None = None,
    data_dir: Path | None = None,
    json: Path | None = None,
) -> int:
    """Scores a rule's features with few labels on data that it may never have seen, beside baselines.

    The rule trains a base model on the unlabelled train examples; a readout is fitted on a few labelled ones and scored
    on test examples. Every encoder is scored in the same way, on the same examples.

    Args:
        rule: a rule file, the folder of a run, or the name of a rule that comes with Metarule.
        tasks: data sets, such as digits, mnist14, fashion_mnist28 or PATH.npz; `metarule data list` names them.
        encoders: what to score; by default the rule, the same rule untrained, and all baselines.
        labels: labelled examples per class.
        seeds: repetitions, each with its own start, order of inputs and examples.
        steps: inner steps to score after, several for a curve; by default what the rule was meta-trained for, and
            for hand-made rules their own.
        statistics: what batch normalisation uses when features are computed: batch, the labelled and test examples at
            hand, or frozen, up to 10,000 unlabelled train examples.
        quick: at most 3 seeds, 300 test and 10,000 unlabelled examples, and a fifth of the baselines' steps.
        network: layer widths of the base model, features last, such as 64-64-32; by default the rule's own.
        activation: relu, leaky-relu, swish, tanh or step; by default the rule's own.
        batch_size: unlabelled examples in an inner step; by default the rule's own.
        queries: test examples to score on, for each seed.
        unlabelled: train examples to give without labels; by default all.
        data_dir: folder of data sets; also METARULE_DATA.
        json: also write the table here.
    """
    cache_compilations()
    if min(labels, seeds, queries) < 1 or min(steps, default=0) < 0:
        raise BadInput("--labels, --seeds and --queries need 1 or more, --steps 0 or more.")
    if any(count is not None and count < 2 for count in (batch_size, unlabelled)):
        raise BadInput("--batch-size and --unlabelled need 2 or more.")
    title, share = f"Accuracy with {labels} labels per class", 1.0
    if quick:
        *most, share = _QUICK
        seeds, queries, unlabelled = map(min, (seeds, queries, unlabelled or most[2]), most)
        title += (
            f", quickly: {seeds} seeds, {queries} test and {unlabelled:,} unlabelled examples at most, "
            f"{share:.0%} of the baselines' steps"
        )
    use = TrainedRule.of(rule, network, activation)
    protocol = Protocol(
        use.architecture,
        labels=labels,
        seeds=seeds,
        queries=queries,
        unlabelled=unlabelled,
        batch_size=batch_size or use.batch_size,
        statistics=statistics,
    )
    comparators = Comparators(
        protocol,
        trained=use.rule,
        untrained=use.untrained(),
        steps=steps or (use.steps,),
        replicate_to_mesh=bool(steps),
        share=share,
    )
    made = encoders_of(encoders, comparators)
    with Console(stderr=True).status("compiling") as status:  # Shown on a terminal only.
        rows = protocol.rows(made, load_each(tasks, data_dir, labels), status.update)
    print_table(rows, title, json_file=json)
    return 0
