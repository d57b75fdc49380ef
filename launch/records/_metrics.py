import importlib
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, final

from ...errors import BadInput
from ._files import parsed
from ._run_folder import RunFolder


@final
class Metrics:
    """Writes a run's metrics while it runs: one JSON object a line, and the same numbers for TensorBoard.

    `start` is the step that the run resumes from: lines of later steps are dropped first. `wandb` is a project of
    Weights & Biases that also receives the metrics, under the folder's name. JSON has no NaN: numbers that are not
    finite are written as the strings "NaN", "Infinity" and "-Infinity". Raises `BadInput` where it
    can't write.
    """

    def __init__(self, run: RunFolder, start: int = 0, wandb: str | None = None):
        from tensorboardX import SummaryWriter  # Only runs that write metrics need this import.

        run.rewind(start)
        self._path = run.metrics
        try:
            self._lines = run.metrics.open("a")
            # Tells TensorBoard to hide what an interrupted run logged after its checkpoint.
            purge = start + 1 if start else None
            self._board = SummaryWriter(str(run.events), purge_step=purge, flush_secs=10)
        except OSError as error:
            raise self._failure(error) from error
        self._wandb = (
            None
            if wandb is None
            else weights_and_biases().init(
                project=wandb, name=run.path.name, config=run.read_configuration(), reinit="finish_previous"
            )
        )

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Appends the values of one step. A value is a text, a number, or anything that `float` accepts."""
        plain = {name: value if isinstance(value, int | str) else float(value) for name, value in values.items()}
        line = {name: _as_json(value) for name, value in plain.items()}
        try:
            self._lines.write(json.dumps({"step": step, **line}, allow_nan=False) + "\n")
            self._lines.flush()  # So that `metarule watch` sees every step, and a killed process loses none.
            for name, value in plain.items():
                if not isinstance(value, str) and math.isfinite(value):
                    self._board.add_scalar(name, value, step)
            if self._wandb is not None:
                self._wandb.log(plain, step=step)
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Closes the files, and the run of Weights & Biases if there is one."""
        self._lines.close()
        self._board.close()
        if self._wandb is not None:
            self._wandb.finish()

    def _failure(self, error: OSError) -> BadInput:
        reason = error.strerror or error
        return BadInput(f"Can't write {self._path} ({reason}): free space there, then continue with --resume.")


def weights_and_biases() -> Any:
    """Imports and returns the module `wandb`. Raises `BadInput` where it is not installed."""
    try:
        return importlib.import_module("wandb")
    except ImportError as error:
        raise BadInput("--wandb needs an extra: pip install 'metarule[wandb]', or leave it out.") from error


MEASURED = ("seconds", "meta_loss")
"""Numbers that every line of a run's metrics has."""

_NUMBERS = ("step_seconds", "best_validation_loss", "gradient_norm", "signal_to_noise", "nonfinite")


def read_metrics(path: str | Path, needed: Collection[str] = ()) -> list[dict[str, Any]]:
    """Returns the lines of a metrics file as dictionaries, without a last line that is still being written.

    Raises `BadInput` if there is no such file, and where a line of it lacks its step or one of the `needed` numbers.
    """
    try:
        text = Path(path).read_text()
    except OSError as error:
        raise BadInput(f"There are no metrics at {path}: give the folder of a run.") from error
    except ValueError as error:
        raise BadInput(f"{path} can't be read (it is not UTF-8): give the folder of a whole run.") from error
    whole = text.split("\n")[:-1]  # What follows the last line's end is still being written.
    try:
        return [_read(parsed(line, dict), ("step", *needed)) for line in whole]
    except ValueError as error:
        raise BadInput(f"{path} can't be read (in a line of it, {error}): give the folder of a whole run.") from error


_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _as_json(value: int | float | str) -> int | float | str:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _read(line: dict[str, Any], needed: Collection[str]) -> dict[str, Any]:
    read = {name: _NOT_FINITE.get(value, value) if isinstance(value, str) else value for name, value in line.items()}
    for name in (*needed, *_NUMBERS):
        if (name in needed or name in read) and type(read.get(name)) not in (int, float):
            raise ValueError(f"its {name} is no number")
    return read
