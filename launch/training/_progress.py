import collections
import time
from typing import final

import rich.console
import rich.progress


@final
class Progress:
    """Shows how far a run is: a live bar on a terminal, elsewhere a plain line every `every` seconds."""

    def __init__(self, total: int, start: int = 0, *, every: float = 10.0, console: rich.console.Console | None = None):
        self._total, self._every = total, every
        self._console = console or rich.console.Console()
        self._recent = collections.deque([(time.monotonic(), start)], maxlen=200)
        self._compiled = False
        self._spoken = time.monotonic()
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("meta-training"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.fields[said]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=start, said="compiling")

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def update(self, step: int, loss: float) -> None:
        """Says that `step` meta-steps are done and what the meta-loss was."""
        now = time.monotonic()
        if not self._compiled:  # The first step's time is the compiler's; it says nothing about those to come.
            self._recent.clear()
            self._compiled = True
        self._recent.append((now, step))
        said = f"step {step}/{self._total}  meta-loss {loss:.4f}{self._pace(step)}"
        self._bar.update(self._task, completed=step, said=said)
        if not self._console.is_terminal and (now - self._spoken >= self._every or step >= self._total):
            self._spoken = now
            self._console.print(said, highlight=False, soft_wrap=True)

    def say(self, sentence: str) -> None:
        """Prints a line above the bar."""
        self._bar.console.print(sentence, highlight=False, soft_wrap=True, markup=False)

    def _pace(self, step: int) -> str:
        (then, first), (now, _) = self._recent[0], self._recent[-1]
        if step == first or now <= then:
            return ""
        speed = (step - first) / (now - then)
        left = round((self._total - step) / speed)
        minutes, seconds = divmod(left, 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f"  {speed:.2f} steps/s  {clock} left"
