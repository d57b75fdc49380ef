import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rich.console
import rich.table

from ..records._metrics import read_metrics
from ..records._run_folder import RunFolder


_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60
_SHOWN = ("meta_loss", "best_validation_loss", "gradient_norm", "signal_to_noise", "nonfinite")


def run_summary(folder: RunFolder) -> rich.console.Group:
    """Returns the progress of a run as text and tables for the terminal, read from the run's files alone."""
    total = folder.read_configuration().get("steps")
    lines = read_metrics(folder.metrics) if folder.metrics.exists() else []
    parts: list[rich.console.RenderableType] = [f"{folder.path}: {_stage(folder, lines, total)}"]
    if lines:
        parts.append(_numbers(lines))
    if folder.checkpoints.is_dir():
        steps = ", ".join(map(str, _steps_in(folder.checkpoints))) or "none yet"
        parts.append(f"checkpoints of steps {steps}")
    if folder.hosts.is_dir():
        parts.append(_hosts(folder.hosts))
    return rich.console.Group(*parts)


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


def _numbers(lines: list[dict[str, Any]]) -> rich.table.Table:
    table = rich.table.Table("", "last", "all steps", title_justify="left")
    names = [name for name in _SHOWN if any(name in line for line in lines)]
    for name in names:
        values = [float(line[name]) for line in lines if name in line]
        table.add_row(name.replace("_", " "), f"{values[-1]:.4g}", sparkline(values))
    return table


def _hosts(folder: Path) -> rich.table.Table:
    table = rich.table.Table("host", "step", "seconds a step", "memory, MB", title_justify="left")
    for file in sorted(folder.glob("*.jsonl"), key=lambda file: int(file.stem)):
        lines = read_metrics(file)[-20:]
        if lines:
            seconds = sum(line["step_seconds"] for line in lines) / len(lines)
            memory = lines[-1]["memory_bytes"]
            table.add_row(
                file.stem, str(lines[-1]["step"]), f"{seconds:.3f}", "-" if memory is None else f"{memory / 1e6:.0f}"
            )
    return table
