import contextlib
import errno
import json
import os
import shutil
import stat
import sys
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...errors import BadInput


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes a file: the one function by which results reach the disk.

    Links are followed. A regular file is replaced atomically, so that an interrupted write leaves the earlier one
    untouched; anything else, such as a pipe or a device, is written through. Raises `BadInput` where that can't be.
    """
    # A lone surrogate, as of a file's name that is not UTF-8, is shown as its number.
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    try:
        found = _status(path)
        if found is not None and (stream := _own_stream(found)) is not None:
            _write_through(stream, data)
        elif found is not None and not stat.S_ISREG(found.st_mode):
            handle = os.open(path, os.O_WRONLY)
            try:
                _write_through(handle, data)
            finally:
                os.close(handle)
        else:
            mode = None if found is None else stat.S_IMODE(found.st_mode)
            _replace(Path(os.path.realpath(path)), data, mode)
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(f"Can't write {path} ({reason}): free space there or choose another place.") from error


def check_writable(path: Path | None) -> None:
    """Raises `BadInput` where results can't be written to this path, as far as can be told without writing.

    For what takes long to compute: it is better known before.
    """
    if path is None:
        return
    found = _status(path)
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise BadInput(f"{path} is a folder: name a file to write.")
    target = Path(os.path.realpath(path))
    # A regular file is replaced by a new one in its folder; a missing folder is made in the first one there is.
    place = path if found is not None and not stat.S_ISREG(found.st_mode) else target.parent
    while not place.exists() and place != place.parent:
        place = place.parent
    if place != path and not place.is_dir():
        raise BadInput(f"Can't write {path} ({place} is no folder): choose another place.")
    if not os.access(place, os.W_OK):
        raise BadInput(f"Can't write {path} (no permission): choose another place.")


def check_no_input(inputs: Iterable[Path], outputs: Iterable[Path | None]) -> None:
    """Raises `BadInput` where a file to write is one of those that are read."""
    read = {path.resolve() for path in inputs}
    for out in outputs:
        if out is not None and out.resolve() in read:
            raise BadInput(f"{out} is an input: choose another name to write to.")


def allocate(folder: Path, size: int) -> None:
    """Raises `OSError` where a file of so many bytes has no place in this folder. Nothing is left behind."""
    with tempfile.TemporaryFile(dir=folder) as file:
        if sys.platform == "linux":
            os.posix_fallocate(file.fileno(), 0, size)
        elif shutil.disk_usage(folder).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def is_replaceable(path: Path | None) -> bool:
    """Whether a regular file is or will be at this path, so that it can be written again and again."""
    return path is not None and ((found := _status(path)) is None or stat.S_ISREG(found.st_mode))


def read_json(path: Path, kind: type, otherwise: str) -> Any:
    """Returns what a JSON file holds, a `dict` or a `list` as `kind` says.

    Raises `BadInput` where there is something else, in one sentence that names the file and ends in `otherwise`, which
    says what to do instead.
    """
    try:
        return parsed(path.read_text(), kind)
    except OSError as error:
        raise BadInput(f"{path} can't be read ({error.strerror or error}): {otherwise}.") from error
    except ValueError as error:
        raise BadInput(f"{path} can't be read ({error}): {otherwise}.") from error


def parsed(text: str, kind: type) -> Any:
    """Returns the `dict` or the `list` that JSON text stands for. Raises `ValueError` with a short reason otherwise."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("its brackets are nested too deep") from error
    except ValueError as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(found, kind):
        raise ValueError(f"it holds {_called(found)} where {_NAMES[kind]} is expected")
    return found


_NAMES: dict[type, str] = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}


def _called(value: Any) -> str:
    return _NAMES.get(type(value), "nothing" if value is None else "a number")


def _status(path: Path) -> os.stat_result | None:
    """What the path leads to through links; None where nothing is there yet."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise BadInput(f"Can't write {path} ({error.strerror}): choose another place.") from error


def _own_stream(found: os.stat_result) -> int | None:
    """Which of this process's own output streams that is, as of /dev/stdout: replaced, it would lose what follows."""
    for stream in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(found, os.fstat(stream)):
                return stream
    return None


def _write_through(handle: int, data: bytes) -> None:
    for text in (sys.stdout, sys.stderr):
        text.flush()  # What was printed before stands before.
    rest = memoryview(data)
    with contextlib.suppress(BrokenPipeError):  # Who reads it has seen enough, as `head` has.
        while rest:
            rest = rest[os.write(handle, rest) :]


def _replace(path: Path, data: bytes, mode: int | None) -> None:
    """Puts a file in the place of another one, with its permissions, or of none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".metarule-{uuid.uuid4().hex}"
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)  # The process's mask may have taken some of it away.
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
