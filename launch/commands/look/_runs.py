import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
import tyro

from ....errors import BadInput
from ...evaluation._rows import Row
from ...figures._words import duration
from ...options._parse import parse
from ...records._metrics import MEASURED, read_metrics
from ...records._run_folder import RunFolder
from ...records._tables import best_in_bold, print_columns, read_rows, TableFiles


def main(arguments: list[str]) -> int:
    """Runs `metarule runs` and returns its exit code."""
    return parse(runs, arguments, "runs")


class _Run(TypedDict):
    """A line of the listing; None where the run has no such file yet."""

    run: str
    preset: str | None
    state: str
    step: int | None
    steps: int | None
    seconds: float | None
    validation_loss: float | None
    accuracy: float | None
    begun: str


def runs(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="[FOLDER]")] = Path("runs"),
    /,
    table: Annotated[TableFiles, tyro.conf.arg(name="")] = TableFiles(),
) -> int:
    """Lists the runs in a folder, also those of studies in it: how far each is, and what its rule is worth.

    Args:
        folder: where to look for runs.
    """
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}: name the one that holds your runs.")
    found = sorted(path.parent for path in folder.rglob("configuration.json"))
    if not found:
        print(f"{folder} holds no runs; `metarule train` begins one.")
        return 0
    lines = [_line(RunFolder(path), folder) for path in found]
    table.write_and(lambda: _print(lines, folder), lines)
    return 0


def _line(run: RunFolder, above: Path) -> _Run:
    """What a run's files say of it; of a damaged file the listing says so, and goes on."""
    begun = datetime.datetime.fromtimestamp(run.configuration.stat().st_mtime).strftime("%Y-%m-%d")
    line = _Run(
        run=str(run.path.relative_to(above)) if run.path != above else run.path.name,
        preset=None,
        state="begun",
        step=None,
        steps=None,
        seconds=None,
        validation_loss=None,
        accuracy=None,
        begun=begun,
    )
    try:
        configuration = run.read_configuration()
        preset, steps = configuration.get("preset"), configuration.get("steps")
        line["preset"] = preset if isinstance(preset, str) else None
        line["steps"] = steps if isinstance(steps, int) else None
        lines = read_metrics(run.metrics, MEASURED) if run.metrics.exists() else []
        if lines:
            best = [each["best_validation_loss"] for each in lines if "best_validation_loss" in each]
            line["state"], line["step"] = "stopped or running", lines[-1]["step"]
            line["seconds"], line["validation_loss"] = lines[-1]["seconds"], best[-1] if best else None
        if run.results.exists():
            line["state"] = "done"
            own = [row["accuracy"] for row in read_rows(run.results, Row) if row["encoder"] == "meta-trained"]
            line["accuracy"] = float(np.mean(own)) if own else None
    except BadInput:
        line["state"] = "damaged"
    return line


def _print(lines: Sequence[_Run], folder: Path) -> None:
    def text(value: Any, form: str = "") -> str:
        return "" if value is None else format(value, form)

    accuracies = [float("nan") if line["accuracy"] is None else line["accuracy"] for line in lines]
    shown = ["" if line["accuracy"] is None else f"{100 * line['accuracy']:.1f}" for line in lines]
    print_columns(
        f"Runs in {folder}",
        {
            "run": [line["run"] for line in lines],
            "preset": [text(line["preset"]) for line in lines],
            "state": [line["state"] for line in lines],
            "step": [text(line["step"]) for line in lines],
            "of": [text(line["steps"]) for line in lines],
            "time": ["" if line["seconds"] is None else duration(line["seconds"]) for line in lines],
            "loss": [text(line["validation_loss"], ".4f") for line in lines],
            "accuracy\n%": best_in_bold(shown, accuracies),
            "begun": [line["begun"] for line in lines],
        },
        "loss: the best on validation tasks; accuracy: of the rule, mean over data sets and readouts",
    )
