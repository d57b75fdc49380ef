import os
from pathlib import Path


def cache_compilations() -> Path | None:
    """Turns on JAX's persistent compilation cache, for what is compiled from now on; returns the cache's folder.

    The commands call it, and so do the doors from Python. The folder is `JAX_COMPILATION_CACHE_DIR`, else
    `metarule/compiled` in the user's cache folder. Returns None, and leaves the cache off, where that folder can't be
    written.
    """
    import jax

    # JAX's default is 1 s; a start compiles many programs that take less.
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
