"""What takes long to make and can be made again: kept in files beside the compiled programs, if those are kept."""

import contextlib
import hashlib
from pathlib import Path

import jax

from ...errors import BadInput
from ..records._files import write_atomically
from ._code import is_edited


_DIGEST = hashlib.sha256().digest_size


def recall(name: str) -> bytes | None:
    """What was kept under this name; None if that is nothing, or damaged."""
    held = b""
    if (folder := _folder()) is not None:
        with contextlib.suppress(OSError):
            held = (folder / name).read_bytes()
    digest, content = held[:_DIGEST], held[_DIGEST:]
    return content if digest == hashlib.sha256(content).digest() else None


def keep(name: str, content: bytes) -> None:
    """Keeps this, if there is room for it."""
    if (folder := _folder()) is not None:
        with contextlib.suppress(BadInput):
            write_atomically(folder / name, hashlib.sha256(content).digest() + content)


def is_possible() -> bool:
    """Whether anything can be kept here and now."""
    return _folder() is not None


def _folder() -> Path | None:
    folder = jax.config.values["jax_compilation_cache_dir"]
    if folder is None or not jax.config.values["jax_enable_compilation_cache"] or is_edited():
        return None
    return Path(folder) if Path(folder).is_dir() else None
