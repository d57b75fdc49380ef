import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final, Protocol

from ._processes import Processes


class Stop(Protocol):
    """Tells whether a run was asked to stop."""

    def is_set(self) -> bool:
        """Returns the same answer at the same step on all processes. Call it once a step, on all of them."""
        ...


@contextmanager
def terminated(processes: Processes) -> Iterator[Stop]:
    """Yields a `Stop` that is set when any of the processes receives SIGTERM, so that a preempted run can save."""
    if processes.count > 1:
        yield _Agreed()
        return
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # Python lets only the main thread handle signals.
        return
    before = signal.signal(signal.SIGTERM, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, before)


@final
class _Agreed:
    """A `Stop` of several processes: after SIGTERM to one, JAX names a step that no process has passed yet."""

    def __init__(self):
        self._step = 0

    def is_set(self) -> bool:
        from jax.experimental import multihost_utils

        self._step += 1
        return multihost_utils.reached_preemption_sync_point(self._step)
