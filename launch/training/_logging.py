import json
import time
from collections.abc import Mapping
from typing import Any, final, TextIO

import jax

from ...errors import BadInput
from ..hosts._processes import Processes
from ..records._metrics import Metrics
from ..records._run_folder import RunFolder
from ._progress import Progress


@final
class Reports:
    """Reports the progress of a run: process 0 writes metrics and shows a progress bar.

    With several processes, each also writes the seconds and memory of its steps to `hosts/INDEX.jsonl`. `total` is the
    number of meta-steps, `wandb` a project of Weights & Biases that also receives the metrics.
    """

    def __init__(self, folder: RunFolder, processes: Processes, total: int, wandb: str | None = None):
        self._folder, self._processes, self._total, self._wandb = folder, processes, total, wandb
        self._metrics: Metrics | None = None
        self._progress: Progress | None = None
        self._host: TextIO | None = None
        self._last = time.monotonic()

    def __enter__(self) -> "Reports":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.__exit__(*exception)
        self._close()

    def begin(self, step: int) -> None:
        """Starts to report after step `step`, or restarts there: the metrics of later steps are deleted."""
        self._close()
        if self._processes.count > 1:
            path = self._folder.hosts / f"{self._processes.index}.jsonl"
            try:
                path.parent.mkdir(exist_ok=True)
                self._host = path.open("a")
            except OSError as error:
                raise BadInput(f"Can't write {path} ({error.strerror}): free space there.") from error
        if self._processes.first:
            self._metrics = Metrics(self._folder, step, self._wandb)
            if self._progress is None:
                self._progress = Progress(self._total, step).__enter__()

    def say(self, sentence: str) -> None:
        """Prints a message, on process 0 only."""
        if self._progress is not None:
            self._progress.say(sentence)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes the metrics of one meta-step; `values` must have `meta_loss`."""
        now = time.monotonic()
        if self._metrics is not None and self._progress is not None:
            self._metrics.write(step, values)
            self._progress.update(step, values["meta_loss"])
        if self._host is not None:
            line = {"step": step, "step_seconds": now - self._last, "memory_bytes": _memory()}
            self._host.write(json.dumps(line) + "\n")
            self._host.flush()  # So that `metarule watch` sees every step.
        self._last = now

    def _close(self) -> None:
        for each in (self._metrics, self._host):
            if each is not None:
                each.close()


def _memory() -> int | None:
    """Returns the bytes in use on this host's devices; None where JAX does not report them, as on CPUs."""
    found = [(device.memory_stats() or {}).get("bytes_in_use") for device in jax.local_devices()]
    return None if None in found else sum(each for each in found if each is not None)
