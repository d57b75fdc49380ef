import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ...errors import BadInput
from ._row import plain, Row
from ._timing import Budget, Timing


_PATIENCE = 900.0  # seconds


def startup(budget: Budget) -> list[Row]:
    """Seconds from the start of `metarule train` to its first logged meta-step, with an empty and with a warm cache."""
    with tempfile.TemporaryDirectory() as folder:
        cold = [_first_step(Path(folder), "cold", budget)]
        warm = [_first_step(Path(folder), f"warm{repeat}", budget) for repeat in range(1 if budget.small else 3)]
    names = ("startup-cold", "startup-warm")
    return [plain(name, _timing_of(found), each="start") for name, found in zip(names, (cold, warm))] + [_help(budget)]


def _first_step(folder: Path, name: str, budget: Budget) -> tuple[float, float]:
    """Returns the wall-clock and CPU seconds until a run has written its first line of metrics."""
    run = folder / name
    command = [sys.executable, "-m", "metarule.launch", "train", "--run", str(run)]
    if budget.small:
        command += ["--networks", "6-4", "--batch-sizes", "6", "--estimator.population.tasks", "2"]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "cache")}
    before, start = _children(), time.perf_counter()
    with (folder / f"{name}.txt").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            # The file is polled from outside: a run that reported its own time would leave out Python's start.
            while not _has_line(run / "metrics.jsonl"):
                if process.poll() is not None or time.perf_counter() - start > _PATIENCE:
                    raise BadInput(f"`metarule train` made no meta-step: {(folder / f'{name}.txt').read_text()[-500:]}")
                time.sleep(0.01)
            seconds = time.perf_counter() - start
        finally:
            process.kill()
            process.wait()
    return seconds, _children() - before


def _help(budget: Budget) -> Row:
    found = []
    for _ in range(budget.repeats):
        before, start = _children(), time.perf_counter()
        subprocess.run([sys.executable, "-m", "metarule.launch", "--help"], check=True, capture_output=True)
        found.append((time.perf_counter() - start, _children() - before))
    return plain("help", _timing_of(found), each="start")


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _has_line(path: Path) -> bool:
    return path.exists() and "\n" in path.read_text()


def _timing_of(found: list[tuple[float, float]]) -> Timing:
    return Timing(*zip(*found))
