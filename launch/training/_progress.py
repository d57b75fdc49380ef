import collections
import time
from typing import final

import rich.console
import rich.progress


@final
class Progress:
    """Shows the progress of a run of `total` steps: a live bar on a terminal, else a line every `every` seconds."""

    def __init__(self, total: int, start: int = 0, *, every: float = 10.0, console: rich.console.Console | None = None):
        self._total, self._every = total, every
        self._console = console or rich.console.Console()
        # The last 200 steps, so that the estimate of the time left follows the load of the machine.
        self._recent = collections.deque([(time.monotonic(), start)], maxlen=200)
        self._compiled = False
        self._last_line = time.monotonic()
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("meta-training"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.fields[text]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=start, text="compiling")

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def update(self, step: int, loss: float) -> None:
        """Shows that `step` meta-steps are done, and the meta-loss of the last one."""
        now = time.monotonic()
        if not self._compiled:  # The first step includes compilation: it must not count for the time left.
            self._recent.clear()
            self._compiled = True
        self._recent.append((now, step))
        text = f"step {step}/{self._total}  meta-loss {loss:.4f}{self._speed(step)}"
        self._bar.update(self._task, completed=step, text=text)
        if not self._console.is_terminal and (now - self._last_line >= self._every or step >= self._total):
            self._last_line = now
            self._console.print(text, highlight=False, soft_wrap=True)

    def say(self, sentence: str) -> None:
        """Prints a message above the bar."""
        self._bar.console.print(sentence, highlight=False, soft_wrap=True, markup=False)

    def _speed(self, step: int) -> str:
        """Returns the steps per second over the last 200 steps, and the time left, as text."""
        (start, first), (now, _) = self._recent[0], self._recent[-1]
        if step == first or now <= start:
            return ""
        speed = (step - first) / (now - start)
        left = round((self._total - step) / speed)
        minutes, seconds = divmod(left, 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f"  {speed:.2f} steps/s  {clock} left"
