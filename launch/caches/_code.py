import functools
import hashlib
from pathlib import Path

from .._start import PROCESS_START


_PACKAGE = Path(__file__).parents[2]
_ROOMS = ("models", "tasks", "rules", "meta", "testing", "launch")


@functools.cache
def code_digest() -> str:
    """Returns 12 hexadecimal digits of the SHA-256 digest of all Python files of this package."""
    found = hashlib.sha256()
    for file in _files():
        found.update(str(file.relative_to(_PACKAGE)).encode() + file.read_bytes())
    return found.hexdigest()[:12]


@functools.cache
def is_edited() -> bool:
    """Returns whether a Python file of this package was written since this process started.

    The modules that this process has imported may then differ from the files, and so from `code_digest`.
    """
    return any(file.stat().st_mtime >= PROCESS_START for file in _files())


def _files() -> list[Path]:
    inside = [file for room in _ROOMS for file in sorted((_PACKAGE / room).rglob("*.py"))]
    return [*sorted(_PACKAGE.glob("*.py")), *inside]
