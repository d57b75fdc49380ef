import gc
import logging
import os
from pathlib import Path


def silence() -> None:
    """Keeps what JAX, XLA and Orbax log about themselves off the screen. Works only before JAX is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.CRITICAL)


def collect_seldom() -> None:
    """Lets Python look for garbage less often: a traced program is a million objects that all stay, and to look through
    them again and again takes a tenth of the start."""
    gc.set_threshold(100_000, 50, 100)


def cache_compilations() -> Path | None:
    """Lets this program reuse what earlier ones compiled. Call it before the first jit; returns the folder.

    The folder is `JAX_COMPILATION_CACHE_DIR`, else `metarule/compiled` in the user's cache folder. None where that
    can't be written: then everything is compiled anew.
    """
    import jax

    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
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
