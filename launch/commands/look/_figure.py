import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import tyro

from ....errors import BadInput
from ...caches._compilations import cache_compilations
from ...encoders._trained_rule import TrainedRule
from ...figures._base_models import activation, architecture, depth, width
from ...figures._coefficients import coefficients
from ...figures._filters import filters
from ...figures._generalisation import generalisation
from ...figures._moons import moons
from ...figures._plots import PHONE, Picture, save
from ...figures._request import Drawing, FigureRequest
from ...figures._response import response
from ...figures._terms import terms
from ...figures._training import training
from ...figures._transfer import transfer
from ...options._names import choose, own_function
from ...options._parse import parse
from ...options._recipes import recipe
from ...records._files import write_atomically
from ...records._tables import write_rows


FIGURES: dict[str, Callable[[FigureRequest], Drawing]] = {
    "training": training,
    "generalisation": generalisation,
    "transfer": transfer,
    "depth": depth,
    "width": width,
    "activation": activation,
    "architecture": architecture,
    "filters": filters,
    "moons": moons,
    "coefficients": coefficients,
    "terms": terms,
    "response": response,
}
"""Figures by name, in the order in which a report shows them."""

_SEVERAL = ("architecture",)
"""Figures that show several rules."""

_QUICK = (3, 300, 0.2)
"""The limits of `--quick`: seeds, test examples, and the fraction of their training steps that baselines get."""


def main(arguments: list[str]) -> int:
    """Runs `metarule figure` and returns its exit code."""
    return parse(figure, arguments, "figure")


def figure(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")],
    rules: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RULE [RULE ...]")],
    /,
    tasks: tuple[str, ...] = ("digits",),
    values: tuple[str, ...] = (),
    network: str | None = None,
    steps: int | None = None,
    labels: int = 10,
    seeds: int = 10,
    queries: int = 1000,
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    picture: Annotated[Picture, tyro.conf.arg(name="")] = Picture(),
    out: Path | None = None,
    rule_class: str | None = None,
    data_dir: Path | None = None,
) -> int:
    """Draws a figure of a rule: writes a picture, its numbers as NAME.csv, and title and caption as NAME.json.

    training: the meta-loss during meta-training. generalisation: accuracy on data sets, compared with other encoders.
    transfer: accuracy during meta-training, of the rules that the run saved. depth, width, activation: accuracy on
    other base models. architecture: on a perceptron, convolutions and a transformer, of one or several rules. filters:
    weights of the first layer. moons: decisions on two moons. coefficients: how much each term counts, and how that
    moved. terms: the share of each term in the change of weights. response: the change of a weight by the activity on
    both of its sides. `metarule report` puts the figures on one page.

    Args:
        name: training, generalisation, transfer, depth, width, activation, architecture, filters, moons, coefficients,
            terms or response, or MODULE:FUNCTION of your own, which takes a FigureRequest and returns a Drawing.
        rules: a rule file, the folder of a run, the name of a shipped rule, or MODULE:CLASS of a rule, such as
            metarule.rules:Oja; for architecture, and figures of your own, also several.
        tasks: data sets, as for `metarule evaluate`.
        values: values on the figure's axis, such as 2 5 8 for depth: layers, units, nonlinearities, encoders or steps.
        network: the base model, as for `metarule evaluate`; by default the rule's own.
        steps: inner steps; by default as many as the rule was meta-trained for.
        labels: labelled examples per class.
        seeds: repetitions, each with its own initialisation, order of inputs and examples.
        queries: test examples to score on, for each seed.
        quick: at most 3 seeds and 300 test examples, and a fifth of the baselines' training steps.
        out: folder to write to; by default `figures` beside the rule, or runs/NAME/figures for a shipped rule.
        rule_class: MODULE:CLASS of your own, if the rule file holds a rule of that class: a file never imports code.
        data_dir: folder with data sets; by default the environment variable METARULE_DATA.
    """
    cache_compilations()
    draw = own_function(name, "figure") if ":" in name else choose(name, FIGURES, "figure", "MODULE:FUNCTION")
    if min(labels, seeds, queries) < 1 or (steps is not None and steps < 0) or not tasks:
        raise BadInput("--labels, --seeds and --queries must be 1 or more, --steps 0 or more; --tasks needs a name.")
    budget = 1.0
    if quick:
        seeds, queries, budget = min(seeds, _QUICK[0]), min(queries, _QUICK[1]), _QUICK[2]
    if len(rules) != 1 and (not rules or not (":" in name or name in _SEVERAL)):
        raise BadInput(f"Name one rule for the figure {name}; {', '.join(_SEVERAL)} takes several.")
    like = None if rule_class is None else recipe(rule_class)
    trained, *others = (TrainedRule.of(rule, network, like=like) for rule in rules)
    steps = trained.steps if steps is None else steps
    folder = trained.folder / "figures" if out is None else out
    request = FigureRequest(trained, tasks, values, steps, labels, seeds, queries, budget, data_dir, tuple(others))
    written = write_drawing(draw(request), folder, name.rpartition(":")[2], picture)
    shown = f"; `metarule report {rules[0]}` shows it" if picture.format == "png" and out is None else ""
    print(f"Wrote {written} and its numbers{shown}.")
    return 0


def write_drawing(drawing: Drawing, folder: Path, name: str, picture: Picture = Picture()) -> Path:
    """Writes a drawing's files and returns the path of the picture.

    Beside a PNG of usual width stands one for narrow screens, in the folder `narrow`. Raises `BadInput` where a file
    can't be written.
    """
    # The picture last: `metarule report` shows a figure whose picture exists, and then needs the other files.
    write_rows(folder / f"{name}.csv", drawing.rows)
    write_atomically(folder / f"{name}.json", json.dumps({"title": drawing.title, "caption": drawing.caption}) + "\n")
    path = folder / f"{name}.{picture.format}"
    narrow = [(folder / "narrow" / f"{name}.png", PHONE)] if picture.format == "png" else []
    save(drawing.figure, (path, picture), *narrow)
    return path
