import contextlib
import gc
import logging
import os
import sys
import time
from pathlib import Path


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


def share_cores() -> None:
    """Makes every core of a CPU a device of its own, so that each has particles to itself: threads within operations
    use cores badly where the operations are small. Call it before JAX makes an array.

    `XLA_FLAGS=--xla_force_host_platform_device_count=N` and `JAX_NUM_CPU_DEVICES=N` say otherwise.
    """
    import jax

    flags, devices = os.environ.get("XLA_FLAGS", ""), jax.config.values["jax_num_cpu_devices"]
    if "xla_force_host_platform_device_count" not in flags and devices < 0:
        devices = _cores()
    if devices == 1:
        return
    with contextlib.suppress(RuntimeError):  # JAX runs already, with the devices that it has.
        jax.config.update("jax_num_cpu_devices", devices)
        # A device that waits for another ends the program after 40 s, and a meta-step of a large rule takes minutes.
        waits = "warn_stuck_timeout_seconds", "terminate_timeout_seconds"
        os.environ["XLA_FLAGS"] = " ".join([flags, *(f"--xla_cpu_collective_call_{wait}={_WAIT}" for wait in waits)])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


_WAIT = 86_400  # seconds


def cache_compilations() -> Path | None:
    """Lets this program reuse what earlier ones compiled. Call it before the first jit; returns the folder.

    The folder is `JAX_COMPILATION_CACHE_DIR`, else `metarule/compiled` in the user's cache folder. None where that
    can't be written: then everything is compiled anew.
    """
    import jax

    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    chosen = jax.config.values["jax_compilation_cache_dir"]
    if chosen is not None:
        return Path(chosen)
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(home) / "metarule" / "compiled"
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
    except (OSError, RuntimeError):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    return folder


def is_bad_input(error: ValueError) -> bool:
    """Whether an error is the user's to mend."""
    from ..tasks import BadInput

    return isinstance(error, BadInput)
