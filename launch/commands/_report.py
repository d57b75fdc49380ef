import csv
import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import tyro

from ...errors import BadInput
from ..encoders._trained_rule import TrainedRule
from ..figures._html import page, picture, section, table
from ..figures._request import FigureRequest
from ..figures._training import training
from ..options._recipes import recipe
from ..records._files import write_atomically
from ..records._rule_file import locate_rule, read_header
from ..records._run_folder import RunFolder
from ._figure import FIGURES, write_drawing


def main(arguments: list[str]) -> int:
    """Runs `metarule report` and returns its exit code."""
    return tyro.cli(report, args=arguments, prog="metarule report")


def report(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    /,
    out: Path | None = None,
    rule_class: str | None = None,
) -> int:
    """Writes a run's results and figures to one HTML page that loads nothing from the network.

    The page shows the rule's record, the final table, the curve of meta-training, and every figure that
    `metarule figure` has drawn of the run.

    Args:
        run: the folder of a finished run, or the name of a shipped rule.
        out: file to write; by default RUN/report.html, or runs/NAME/report.html for a shipped rule.
        rule_class: MODULE:CLASS of your own, if the rule file holds a rule of that class: a file never imports code.
    """
    trained = TrainedRule.of(run, like=None if rule_class is None else recipe(rule_class))
    folder = RunFolder(trained.folder)
    figures = folder.path / "figures"
    if folder.metrics.exists():
        # This figure reads the metrics alone: it scores nothing.
        request = FigureRequest(trained, (), (), trained.steps, 0, 0, 0, 1.0, None)
        write_drawing(training(request), figures, "training")
    _, record = read_header(locate_rule(run))
    sections = [section("The rule", table([{"": name, "value": _plain(value)} for name, value in record.items()]))]
    if folder.results.exists():
        note = "± is the standard error over seeds; labelled and unlabelled are numbers of examples."
        sections.append(section("Accuracy with few labels", table(_results(folder.results), note=note)))
    drawn = sorted(path.stem for path in figures.glob("*.png"))  # Figures of the user's own come last.
    sections += [_figure(figures, name) for name in dict.fromkeys((*FIGURES, *drawn)) if name in drawn]
    path = folder.path / "report.html" if out is None else out
    foot = f"Written by metarule {version('metarule')}."
    write_atomically(path, page(f"Report on {folder.path.resolve().name}", sections, foot))
    print(f"Wrote {path}.")
    return 0


_LONGEST = 60
"""Most rows of a figure's table on the page."""


def _figure(folder: Path, name: str) -> str:
    try:
        words = json.loads((folder / f"{name}.json").read_text())
        with (folder / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        image = picture((folder / f"{name}.png").read_bytes(), words["title"])
        title, caption = words["title"], words["caption"]
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"The files of {folder / name}.* can't be read: draw the figure again.") from error
    shown = [{column: _short(text) for column, text in list(row.items())[:14]} for row in rows[:_LONGEST]]
    rest = f"All {len(rows)} rows are in {name}.csv." if len(rows) > len(shown) or len(rows[0]) > 14 else ""
    return section(title, image, table(shown, "Numbers", rest), caption=caption)


def _results(path: Path) -> list[dict[str, str]]:
    try:
        rows = json.loads(path.read_text())
        return [
            {
                "encoder": row["encoder"],
                "data set": row["task"],
                "readout": row["readout"],
                "accuracy, %": f"{100 * row['accuracy']:.1f} ± {100 * row['stderr']:.1f}",
                **{name: f"{row[name]:,}" for name in ("seeds", "labelled", "unlabelled", "steps")},
            }
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} can't be read: delete it and run `metarule train --resume`.") from error


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _short(text: str) -> str:
    try:
        return text if text.isdecimal() else f"{float(text):.4g}"
    except ValueError:
        return text
