import contextlib
import ctypes
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import final, NoReturn


def end(sentence: str, code: int) -> NoReturn:
    """Ends this process at once, whatever its other threads wait for."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os.write(2, f"metarule: {sentence}\n".encode())
    os._exit(code)


@final
class Watchdog:
    """Ends the process with one sentence when something takes too long, or when JAX's runtime gives up.

    A process that waits for one that is gone would wait for ever, and can't be interrupted: it waits inside of the
    runtime, which ends itself by `abort` where it notices. Seconds are those of a clock that never goes backwards.
    """

    def __init__(self, lost: str):
        self._lost = self._gone = self._late = lost, 1
        self._deadline = math.inf
        threading.Thread(target=self._watch, daemon=True).start()
        handler = ctypes.CFUNCTYPE(None, ctypes.c_int)
        self._aborted = handler(lambda _: end(*self._gone))  # Kept: the C library does not.
        register = ctypes.CDLL(None).signal
        register.argtypes, register.restype = [ctypes.c_int, handler], ctypes.c_void_p
        register(signal.SIGABRT, self._aborted)  # Python's own handlers run too late to outlive an abort.

    @contextlib.contextmanager
    def within(self, seconds: float, late: tuple[str, int], gone: tuple[str, int] | None = None) -> Iterator[None]:
        """Gives what follows so many seconds, and says what to end with: when late, and when the runtime gives up."""
        self._late, self._gone = late, gone or self._lost
        self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline, self._gone = math.inf, self._lost

    def lose(self, why: str) -> NoReturn:
        """Ends the process because another is gone."""
        sentence, code = self._lost
        end(f"{sentence} ({why})", code)

    def _watch(self) -> None:
        while True:
            time.sleep(0.2)
            if time.monotonic() > self._deadline:
                end(*self._late)
