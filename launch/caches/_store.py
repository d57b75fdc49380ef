"""A disk cache of bytes by name, in the folder of JAX's compilation cache. Import the module, as `disk_cache`."""

import contextlib
import hashlib
from pathlib import Path

import jax

from ...errors import BadInput
from ..records._files import write_atomically
from ._code import is_edited


_DIGEST = hashlib.sha256().digest_size


def get(name: str) -> bytes | None:
    """Returns the bytes stored under this name; None if there are none, or if the file is damaged."""
    stored = b""
    if (folder := _folder()) is not None:
        with contextlib.suppress(OSError):
            stored = (folder / name).read_bytes()
    digest, content = stored[:_DIGEST], stored[_DIGEST:]
    return content if digest == hashlib.sha256(content).digest() else None


def put(name: str, content: bytes) -> None:
    """Stores bytes under a name. Does nothing where the cache is not available or the file can't be written."""
    if (folder := _folder()) is not None:
        with contextlib.suppress(BadInput):
            write_atomically(folder / name, hashlib.sha256(content).digest() + content)


def is_available() -> bool:
    """Returns whether the cache can be used: JAX's cache is on, and no file of this package was edited."""
    return _folder() is not None


def _folder() -> Path | None:
    folder = jax.config.values["jax_compilation_cache_dir"]
    if folder is None or not jax.config.values["jax_enable_compilation_cache"] or is_edited():
        return None
    return Path(folder) if Path(folder).is_dir() else None
