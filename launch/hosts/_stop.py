import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final, Protocol

from ._processes import Processes


class Stop(Protocol):
    """Whether a run was told to stop."""

    def is_set(self) -> bool:
        """To be asked once a step, by all processes: they are given the same answer at the same step."""
        ...


@contextmanager
def terminated(processes: Processes) -> Iterator[Stop]:
    """Hears SIGTERM, sent to any process: a preempted run saves what it has."""
    if processes.count > 1:
        yield _Agreed()
        return
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.signal(signal.SIGTERM, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, before)


@final
class _Agreed:
    """JAX's own agreement: SIGTERM to one process names a step that none has gone beyond."""

    def __init__(self):
        self._asked = 0

    def is_set(self) -> bool:
        from jax.experimental import multihost_utils

        self._asked += 1
        return multihost_utils.reached_preemption_sync_point(self._asked)
