import contextlib
import time
from collections.abc import Iterator
from typing import final


@final
class Clock:
    """The time that a run has taken in all, over its resumes, and that without compilation."""

    def __init__(self, seconds: float = 0.0, compiling: float = 0.0):
        self._begun, self._compiling = time.monotonic() - seconds, compiling

    @property
    def seconds(self) -> float:
        """Seconds since the run began, without those between a stop and a resume."""
        return time.monotonic() - self._begun

    @property
    def own_seconds(self) -> float:
        """The same without the steps and validations in which programs were compiled."""
        return self.seconds - self._compiling

    @contextlib.contextmanager
    def compiling(self, first: bool) -> Iterator[None]:
        """Counts what is done meanwhile as compilation, if it is the first of its kind."""
        before = self.seconds
        yield
        if first:
            self._compiling += self.seconds - before

    def kept(self) -> dict[str, float]:
        """What a checkpoint keeps, in the order of the arguments of a new clock."""
        return {"seconds": self.seconds, "compiling": self._compiling}
