import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, final

import rich.console
from rich.text import Text

from ..records._metrics import MEASURED, read_metrics
from ..records._run_folder import RunFolder


_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60
_SHOWN = {
    "meta_loss": "meta-loss",
    "best_validation_loss": "validation",
    "gradient_norm": "gradient",
    "signal_to_noise": "signal/noise",
    "nonfinite": "not finite",
}
"""The numbers that a run's progress shows, under short names: bars need the room."""

_TITLE = max(map(len, _SHOWN.values()))


@final
class RunSummary:
    """The progress of a run as lines for a terminal of any width, read from the run's files alone when it is shown."""

    def __init__(self, folder: RunFolder):
        self._folder = folder

    def __rich_console__(self, console: rich.console.Console, options: rich.console.ConsoleOptions) -> Iterator[Text]:
        folder = self._folder
        total = folder.read_configuration().get("steps")
        lines = read_metrics(folder.metrics, MEASURED) if folder.metrics.exists() else []
        shown = [f"{folder.path}: {_stage(folder, lines, total)}"]
        if lines:
            shown += _numbers(lines, options.max_width)
        if folder.checkpoints.is_dir():
            steps = ", ".join(map(str, _steps_in(folder.checkpoints))) or "none yet"
            shown.append(f"checkpoints of steps {steps}")
        if folder.hosts.is_dir():
            shown += _hosts(folder.hosts)
        for line in shown:
            yield Text(line, overflow="fold")


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """Returns values as a line of bars, each the mean of equally many values; a mean that is not finite is a cross."""
    size = max(1, math.ceil(len(values) / width))
    groups = (values[i : i + size] for i in range(0, len(values), size))
    means = [sum(group) / len(group) for group in groups]
    finite = [mean for mean in means if math.isfinite(mean)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    height = lambda mean: round((mean - low) / ((high - low) or 1) * (len(_BARS) - 1))
    return "".join(_BARS[height(mean)] if math.isfinite(mean) else "×" for mean in means)


def _stage(folder: RunFolder, lines: list[dict[str, Any]], total: Any) -> str:
    if not lines:
        return "no meta-step has finished yet"
    last = lines[-1]
    text = f"step {last['step']} of {total}, {last['seconds']:.0f} s"
    recent = lines[-min(len(lines), 50) :]
    spent = recent[-1]["seconds"] - recent[0]["seconds"]
    if spent > 0:
        text += f", {(len(recent) - 1) / spent:.2f} steps/s"
    if folder.results.exists():
        return f"{text}: done"
    silent = time.time() - folder.metrics.stat().st_mtime
    return f"{text}, last update {max(silent, 0):.0f} s ago"


def _steps_in(folder: Path) -> list[int]:
    """Returns the steps of all complete checkpoints."""
    # Orbax's manager would list them too, but may delete incomplete ones, which the run is still writing.
    complete = [each.parent.name for each in folder.glob("*/_CHECKPOINT_METADATA")]
    return sorted(int(name) for name in complete if name.isdecimal())


def _numbers(lines: list[dict[str, Any]], width: int) -> list[str]:
    """A line for each number: its name, the last value, and all values as bars, which take the width that is left."""
    names = {name: title for name, title in _SHOWN.items() if any(name in line for line in lines)}
    shown = []
    for name, title in names.items():
        values = [float(line[name]) for line in lines if name in line]
        shown.append(f"{title:<{_TITLE}} {values[-1]:>9.4g} {sparkline(values, max(1, width - _TITLE - 11))}")
    return shown


def _hosts(folder: Path) -> list[str]:
    shown = []
    files = [file for file in folder.glob("*.jsonl") if file.stem.isdecimal()]
    for file in sorted(files, key=lambda file: int(file.stem)):
        lines = read_metrics(file, ("step_seconds",))[-20:]
        if lines:
            seconds = sum(line["step_seconds"] for line in lines) / len(lines)
            memory = lines[-1].get("memory_bytes")
            megabytes = f", {memory / 1e6:.0f} MB" if isinstance(memory, int) else ""
            shown.append(f"host {file.stem}: step {lines[-1]['step']}, {seconds:.3f} s a step{megabytes}")
    return shown
