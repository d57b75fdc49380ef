import functools
import hashlib
from pathlib import Path

from .._start import BEGUN


_PACKAGE = Path(__file__).parents[2]


_ROOMS = ("models", "tasks", "rules", "meta", "testing", "launch")


@functools.cache
def code() -> str:
    """A digest of all that this package's files say."""
    found = hashlib.sha256()
    for file in _files():
        found.update(str(file.relative_to(_PACKAGE)).encode() + file.read_bytes())
    return found.hexdigest()[:12]


@functools.cache
def is_edited() -> bool:
    """Whether a file was written since this process began: then it may run something else than its files say."""
    return any(file.stat().st_mtime >= BEGUN for file in _files())


def _files() -> list[Path]:
    inside = [file for room in _ROOMS for file in sorted((_PACKAGE / room).rglob("*.py"))]
    return [*sorted(_PACKAGE.glob("*.py")), *inside]
