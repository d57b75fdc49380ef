import gc
import logging
import os
import time


BEGUN = time.time()
"""When this process began, near enough: before it imported what a command needs."""


def silence() -> None:
    """Keeps what JAX, XLA and Orbax log about themselves off the screen. Works only before JAX is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.CRITICAL)


def collect_seldom() -> None:
    """Lets Python look for garbage less often: a traced program is a million objects that all stay, and to look through
    them again and again takes a tenth of the start."""
    gc.set_threshold(100_000, 50, 100)


def is_bad_input(error: ValueError) -> bool:
    """Whether an error is the user's to mend."""
    from ..errors import BadInput

    return isinstance(error, BadInput)
