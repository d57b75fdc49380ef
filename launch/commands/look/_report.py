import csv
import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import tyro

from ....errors import BadInput
from ...encoders._trained_rule import TrainedRule
from ...evaluation._rows import Row
from ...evaluation._verdict import verdict
from ...figures._coefficients import coefficients
from ...figures._generalisation import results as draw_results
from ...figures._html import lead, link, page, paragraph, picture, section, table
from ...figures._request import FigureRequest
from ...figures._training import training
from ...figures._words import duration, settings
from ...options._ingredients import terms_of
from ...options._parse import parse
from ...options._problems import OF_SOURCES
from ...options._recipes import recipe
from ...records._files import write_atomically
from ...records._leaves import named_leaves
from ...records._rule_file import locate_rule, read_header
from ...records._run_folder import RunFolder
from ...records._tables import read_rows
from ._figure import FIGURES, write_drawing


def main(arguments: list[str]) -> int:
    """Runs `metarule report` and returns its exit code."""
    return parse(report, arguments, "report")


def report(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    /,
    out: Path | None = None,
    rule_class: str | None = None,
) -> int:
    """Writes a run's results and figures to one HTML page that loads nothing from the network.

    The page begins with two sentences and a picture of the accuracy beside its opponents. It shows the curve of
    meta-training, what the rule weighs, every figure that `metarule figure` has drawn of the run, the final table, and
    all settings in words.

    Args:
        run: the folder of a finished run, or the name of a shipped rule.
        out: file to write; by default RUN/report.html, or runs/NAME/report.html for a shipped rule.
        rule_class: MODULE:CLASS of your own, if the rule file holds a rule of that class: a file never imports code.
    """
    trained = TrainedRule.of(run, like=None if rule_class is None else recipe(rule_class))
    folder = RunFolder(trained.folder)
    figures, path = folder.path / "figures", folder.path / "report.html" if out is None else out
    configuration, record = read_header(locate_rule(run))
    rows = read_rows(folder.results, Row) if folder.results.exists() else []
    # These figures read files alone: they score nothing.
    request = FigureRequest(trained, (), (), trained.steps, 0, 0, 0, 1.0, None)
    if folder.metrics.exists():
        write_drawing(training(request), figures, "training")
    if rows:
        write_drawing(draw_results(rows), figures, "results")
    if terms_of(trained.rule):
        write_drawing(coefficients(request), figures, "coefficients")
    drawn = sorted(each.stem for each in figures.glob("*.png"))  # Figures of the user's own come last.
    parts = [lead(origin(trained, configuration, record), verdict(rows) or "It has no table of results.")]
    parts += [_figure(figures, name) for name in dict.fromkeys(("results", *FIGURES, *drawn)) if name in drawn]
    if rows:
        note = "± is the standard error over seeds; labelled and unlabelled are numbers of examples."
        note += " * features of an example depend on the other test examples." * any(row["other_rows"] for row in rows)
        parts.append(section("The final table: every data set and readout", table(_results(rows), note=note)))
    stored = folder.read_configuration() if folder.configuration.exists() else record
    idle = {"rule", *(OF_SOURCES if stored.get("tasks") else ())}
    words = {**settings(configuration), **settings({k: v for k, v in stored.items() if k not in idle})}
    parts.append(section("Settings", table([{"": name, "value": value} for name, value in words.items()])))
    parts += _others(folder.path, path, record)
    foot = f"Written by metarule {version('metarule')}."
    write_atomically(path, page(f"Report on {folder.path.resolve().name}", parts, foot))
    print(f"Wrote {path}.")
    return 0


def origin(trained: TrainedRule, configuration: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """The first sentence: which rule it is and where it comes from."""
    count = sum(leaf.size for leaf in named_leaves(trained.rule).values())
    kind = f"A rule ({configuration.get('architecture')}) of {count:,} meta-parameters"
    if not isinstance(record.get("steps"), int):
        return f"{kind}."
    sources = settings(record).get("sources", "")
    seconds = record.get("seconds")
    took = f" in {duration(seconds)}" if isinstance(seconds, int | float) else ""
    return f"{kind}, meta-trained for {record['steps']:,} steps{took}{' on ' + sources if sources else ''}."


def _others(folder: Path, page_path: Path, record: Mapping[str, Any]) -> list[str]:
    """Links to the run that this one began with, and to the reports of the runs beside it."""
    here = page_path.resolve().parent
    start = record.get("start")
    places = {"begins with the rule of ": [Path(start)] if isinstance(start, str) and Path(start).is_dir() else []}
    beside = [each for each in sorted(folder.resolve().parent.iterdir()) if (each / "rule.safetensors").is_file()]
    places["Other runs: "] = [each for each in beside if each != folder.resolve()][:_MOST_LINKS]
    parts = []
    for text, runs in places.items():
        links = [(run, run / "report.html") for run in runs]
        made = [link(os.path.relpath(at if at.exists() else run, here), run.name) for run, at in links]
        if made:
            parts.append(paragraph(text[0].upper() + text[1:], *made))
    return [section("Other runs", *parts)] if parts else []


_MOST_LINKS = 50

_LONGEST = 60
"""Most rows of a figure's table on the page."""


def _figure(folder: Path, name: str) -> str:
    try:
        words = json.loads((folder / f"{name}.json").read_text())
        with (folder / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        narrow = folder / "narrow" / f"{name}.png"
        pictures = [(folder / f"{name}.png").read_bytes(), narrow.read_bytes() if narrow.exists() else None]
        title, caption = str(words["title"]), str(words["caption"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"The files of {folder / name}.* can't be read: draw the figure again.") from error
    image = picture(pictures[0] or b"", title, pictures[1])
    shown = [{column: _short(text or "") for column, text in list(row.items())[:14]} for row in rows[:_LONGEST]]
    rest = f"All {len(rows)} rows are in {name}.csv." if len(rows) > len(shown) or len(rows[0]) > 14 else ""
    return section(title, image, table(shown, "Numbers", rest), caption=caption)


def _results(rows: Sequence[Row]) -> list[dict[str, str]]:
    return [
        {
            "encoder": row["encoder"] + "*" * row["other_rows"],
            "data set": row["task"],
            "readout": row["readout"],
            "accuracy, %": f"{100 * row['accuracy']:.1f} ± {100 * row['stderr']:.1f}",
            **{name: f"{row[name]:,}" for name in ("seeds", "labelled", "unlabelled", "steps")},
        }
        for row in rows
    ]


def _short(text: str) -> str:
    try:
        return text if text.isdecimal() else f"{float(text):.4g}"
    except ValueError:
        return text
