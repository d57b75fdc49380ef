import os
from pathlib import Path


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
