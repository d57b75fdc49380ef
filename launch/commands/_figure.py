import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import tyro

from ...errors import BadInput
from ..caches._compilations import cache_compilations
from ..encoders._trained_rule import TrainedRule
from ..figures._activations import activation
from ..figures._filters import filters
from ..figures._generalisation import generalisation
from ..figures._moons import moons
from ..figures._plots import save
from ..figures._request import Drawing, FigureRequest
from ..figures._sizes import depth, width
from ..figures._training import training
from ..figures._transfer import transfer
from ..options._names import choose, own_function
from ..options._recipes import recipe
from ..records._files import write_atomically
from ..records._tables import write_rows


FIGURES: dict[str, Callable[[FigureRequest], Drawing]] = {
    "training": training,
    "generalisation": generalisation,
    "transfer": transfer,
    "depth": depth,
    "width": width,
    "activation": activation,
    "filters": filters,
    "moons": moons,
}
"""Figures by name, in the order in which a report shows them."""

_QUICK = (3, 300, 0.2)
"""Of `--quick`: seeds and test examples at most, and the share of their steps that baselines get."""


def main(arguments: list[str]) -> int:
    """Runs `metarule figure`."""
    return tyro.cli(figure, args=arguments, prog="metarule figure")


def figure(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")],
    rule: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RULE")],
    /,
    tasks: tuple[str, ...] = ("digits",),
    values: tuple[str, ...] = (),
    steps: int | None = None,
    labels: int = 10,
    seeds: int = 10,
    queries: int = 1000,
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    out: Path | None = None,
    rule_class: str | None = None,
    data_dir: Path | None = None,
) -> int:
    """Draws a figure of a rule: NAME.png, the numbers in it as NAME.csv, and what it shows as NAME.json.

    training: the meta-loss along meta-training. generalisation: accuracy on data sets, beside other encoders. transfer:
    along meta-training, as the run kept the rule. depth, width, activation: on other base models. filters: weights
    of the first layer along meta-training. moons: decisions on two moons. `metarule report` puts them on a page.

    Args:
        name: training, generalisation, transfer, depth, width, activation, filters or moons, or MODULE:FUNCTION of
            your own, which takes a FigureRequest and returns a Drawing.
        rule: a rule file, the folder of a run, or the name of a rule that comes with Metarule.
        tasks: data sets, as for `metarule evaluate`.
        values: places on the figure's own axis, such as 2 5 8 for depth; encoders for generalisation, meta-steps for
            transfer and filters, inner steps for moons.
        steps: inner steps; by default as many as the rule was meta-trained for.
        labels: labelled examples per class.
        seeds: repetitions, each with its own start, order of inputs and examples.
        queries: test examples to score on, for each seed.
        quick: at most 3 seeds and 300 test examples, and a fifth of the baselines' steps.
        out: folder of the files; by default `figures` beside the rule, or in runs/NAME for a rule of Metarule's.
        rule_class: MODULE:CLASS of your own that the rule file holds a rule of; a file never has code imported.
        data_dir: folder of data sets; also METARULE_DATA.
    """
    cache_compilations()
    draw = own_function(name, "figure") if ":" in name else choose(name, FIGURES, "figure", "MODULE:FUNCTION")
    if min(labels, seeds, queries) < 1 or (steps is not None and steps < 0) or not tasks:
        raise BadInput("--labels, --seeds and --queries need 1 or more, --steps 0 or more, --tasks a name.")
    budget = 1.0
    if quick:
        seeds, queries, budget = min(seeds, _QUICK[0]), min(queries, _QUICK[1]), _QUICK[2]
    trained = TrainedRule.of(rule, like=None if rule_class is None else recipe(rule_class))
    steps = trained.steps if steps is None else steps
    folder = trained.folder / "figures" if out is None else out
    request = FigureRequest(trained, tasks, values, steps, labels, seeds, queries, budget, data_dir)
    written = write_drawing(draw(request), folder, name.rpartition(":")[2])
    print(f"Wrote {written} and its numbers; `metarule report {rule}` shows it.")
    return 0


def write_drawing(drawing: Drawing, folder: Path, name: str) -> Path:
    """Writes a drawing's three files, the picture last; returns the picture's path. Raises `BadInput` if it can't."""
    write_rows(folder / f"{name}.csv", drawing.rows)
    write_atomically(folder / f"{name}.json", json.dumps({"title": drawing.title, "caption": drawing.caption}) + "\n")
    save(drawing.figure, folder / f"{name}.png")
    return folder / f"{name}.png"
