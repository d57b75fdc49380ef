import gc
import logging
import os
import time
import warnings


PROCESS_START = time.time()
"""When this process started, in seconds since the epoch; read before any slow import."""


def silence() -> None:
    """Hides the log messages of JAX, XLA and Orbax. Works only before JAX is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.CRITICAL)


def say_warnings_plainly() -> None:
    """Makes Python print a warning as one line that begins with the program's name, without a place in the code."""
    warnings.formatwarning = lambda message, *_, **__: f"metarule: {message}\n"


def collect_seldom() -> None:
    """Makes Python's garbage collector run less often."""
    # A traced program is a million objects that all stay alive: scanning them repeatedly takes a tenth of the start.
    gc.set_threshold(100_000, 50, 100)


def is_bad_input(error: ValueError) -> bool:
    """Returns whether an error is a `BadInput`, which the program prints as one sentence."""
    from ..errors import BadInput

    return isinstance(error, BadInput)
