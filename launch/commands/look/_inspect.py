from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np
import tyro

from ....errors import BadInput
from ....tasks import load
from ...caches._compilations import cache_compilations
from ...encoders._trained_rule import TrainedRule
from ...inspection._numbers import coefficients, numbers, sizes
from ...inspection._shares import Pushes, pushes
from ...options._parse import parse
from ...options._recipes import recipe
from ...records._tables import print_columns, TableFiles


def main(arguments: list[str]) -> int:
    """Runs `metarule inspect` and returns its exit code."""
    return parse(inspect, arguments, "inspect")


class _Row(TypedDict):
    """A line of the table that is written to files.

    `kind` is `number` (the value of a single number of the rule), `meta-parameters` (how many a part has),
    `coefficient` (of a term), `share` (of a part in the change of a layer's weights) or `change` (root mean square of
    one step's change over that of the weights). Those that were measured are means over the steps `first` to `last`.
    """

    kind: str
    name: str
    synapse: int | None
    first: int | None
    last: int | None
    value: float


_PERIODS = 3
"""Parts of the inner time that shares are shown for."""


def inspect(
    rule: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[RULE]")] = "default",
    /,
    task: str = "digits",
    network: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    rule_class: str | None = None,
    data_dir: Path | None = None,
    table: Annotated[TableFiles, tyro.conf.arg(name="")] = TableFiles(),
) -> int:
    """Shows what a rule does: its terms and numbers, and the share of each term in the change of weights.

    Shares are measured: the rule trains a base model, and at every step the change of each layer's weights is split
    into what each term adds and what decay, growth and projection add. All shares of a layer sum to 100 %; a part that
    pushes against the whole change has a negative one.

    Args:
        rule: a rule file, the folder of a run, the name of a shipped rule, or MODULE:CLASS of a rule, such as
            metarule.rules:Oja.
        task: the data set whose examples it sees, as for `metarule evaluate`; by default one that needs no file.
        network: the base model, as for `metarule evaluate`; by default the rule's own.
        steps: inner steps; by default as many as the rule was meta-trained for.
        seed: of the base model's start and of the batches.
        rule_class: MODULE:CLASS of your own, if the rule file holds a rule of that class: a file never imports code.
        data_dir: folder with data sets; by default the environment variable METARULE_DATA.
    """
    cache_compilations()
    if steps is not None and steps < 1:
        raise BadInput(f"--steps must be 1 or more; got {steps}.")
    trained = TrainedRule.of(rule, network, like=None if rule_class is None else recipe(rule_class))
    steps = trained.steps if steps is None else steps
    measured = pushes(trained, load(task, data_dir), steps, seed)
    rows = list(_rows(trained, measured))

    def show() -> None:
        _print_numbers(trained)
        _print_shares(trained, measured, f"Shares in the change of weights: {task}, {steps} steps")

    table.write_and(show, rows)
    return 0


def _rows(trained: TrainedRule, measured: Pushes) -> Iterator[_Row]:
    plain = lambda kind, name, value: _Row(kind=kind, name=name, synapse=None, first=None, last=None, value=value)
    yield from (plain("number", number.name, number.value) for number in numbers(trained.rule))
    yield from (plain("meta-parameters", name, float(size)) for name, size in sizes(trained.rule).items())
    yield from (plain("coefficient", name, value) for name, value in coefficients(trained.rule).items())
    for first, last in _periods(len(measured.whole)):
        within = slice(first - 1, last)
        for synapse in range(measured.whole.shape[1]):
            at = {"synapse": synapse + 1, "first": first, "last": last}
            for index, name in enumerate(measured.parts):
                share = float(measured.share[within, synapse, index].mean())
                yield _Row(kind="share", name=name, value=share, **at)
            yield _Row(kind="change", name="whole", value=float(measured.whole[within, synapse].mean()), **at)


def _periods(steps: int) -> list[tuple[int, int]]:
    """The first and the last step of each period, counted from 1."""
    edges = np.linspace(0, steps, min(_PERIODS, steps) + 1).round().astype(int).tolist()
    return [(first + 1, last) for first, last in zip(edges, edges[1:])]


def _print_numbers(trained: TrainedRule) -> None:
    found, counts = numbers(trained.rule), sizes(trained.rule)
    if found:
        columns = {
            "number": [number.name for number in found],
            "value": [f"{number.value:.4g}" for number in found],
            "": ["learned" if number.learned else "constant" for number in found],
        }
        print_columns("Single numbers", columns)
        print()
    total = sum(counts.values())
    if total:
        columns = {
            "part": [*counts, "all"],
            "meta-parameters": [f"{count:,}" for count in (*counts.values(), total)],
            "%": [f"{100 * count / total:.1f}" for count in (*counts.values(), total)],
        }
        print_columns("Meta-parameters by part", columns)
        print()


def _print_shares(trained: TrainedRule, measured: Pushes, title: str) -> None:
    learned = coefficients(trained.rule)
    columns: dict[str, Sequence[str]] = {"part": [*measured.parts, "change / weights"]}
    if learned:
        columns["coef-\nficient"] = [f"{learned[name]:+.3f}" if name in learned else "" for name in columns["part"]]
    for synapse in range(measured.whole.shape[1]):
        for first, last in _periods(len(measured.whole)):
            within = slice(first - 1, last)
            shares = 100 * measured.share[within, synapse].mean(0)
            whole = 100 * measured.whole[within, synapse].mean()
            texts = [f"{share:+.0f}" for share in shares]
            columns[f"layer {synapse + 1}\n{first}-{last}\n%"] = [*texts, f"{whole:.2g}"]
    caption = "means over these steps; change / weights: root mean square of one step over that of the weights"
    if not measured.parts:
        caption += "; this rule adds up no terms, so that its change can't be split"
    print_columns(title, columns, caption)
