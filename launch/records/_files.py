import contextlib
import os
import tempfile
from pathlib import Path

from ...errors import BadInput


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes a file atomically: an interrupted write leaves the earlier file untouched.

    Raises `BadInput` where the file can't be written.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # `mkstemp` makes files that only their owner can read.
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        reason = error.strerror or error
        raise BadInput(f"Can't write {path} ({reason}): free space there or choose another place.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
