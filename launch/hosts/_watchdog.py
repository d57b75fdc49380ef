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
    """Prints a message and ends this process at once, without waiting for other threads or exit handlers."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os.write(2, f"metarule: {sentence}\n".encode())
    os._exit(code)


@final
class Watchdog:
    """Ends the process with a message when something takes too long, or when JAX's runtime aborts.

    A process that waits for a lost one waits for ever, inside the runtime, where Python can't interrupt it; where the
    runtime notices the loss, it calls `abort`. `lost` is the message after an abort; the exit code is 1.
    """

    def __init__(self, lost: str):
        self._lost = self._gone = self._late = lost, 1
        self._deadline = math.inf
        threading.Thread(target=self._watch, daemon=True).start()
        handler = ctypes.CFUNCTYPE(None, ctypes.c_int)
        self._aborted = handler(lambda _: end(*self._gone))  # An attribute, because the C library keeps no reference.
        register = ctypes.CDLL(None).signal
        register.argtypes, register.restype = [ctypes.c_int, handler], ctypes.c_void_p
        register(signal.SIGABRT, self._aborted)  # Python's own handlers run too late to outlive an abort.

    @contextlib.contextmanager
    def within(self, seconds: float, late: tuple[str, int], gone: tuple[str, int] | None = None) -> Iterator[None]:
        """Limits the `with` block to so many seconds.

        `late` is the message and exit code when the time is up, `gone` those when the runtime aborts meanwhile.
        """
        self._late, self._gone = late, gone or self._lost
        self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline, self._gone = math.inf, self._lost

    def lose(self, why: str) -> NoReturn:
        """Ends the process because another one is lost; `why` is added to the message."""
        sentence, code = self._lost
        end(f"{sentence} ({why})", code)

    def _watch(self) -> None:
        while True:
            time.sleep(0.2)
            if time.monotonic() > self._deadline:
                end(*self._late)
