import hashlib
import http.client
import urllib.request
from pathlib import Path

from ...errors import BadInput
from ._files import check_writable, write_atomically


_SECONDS = 30
"""That a server may be silent."""


def fetch(url: str, path: Path, checksum: str) -> str:
    """Fetches a file unless it is there already, and returns a sentence about it.

    What does not have this SHA-256 is not written; a file that is there is checked, too. Raises `BadInput` where the
    address can't be reached, and for content with another checksum.
    """
    if path.is_file():
        if hashlib.sha256(path.read_bytes()).hexdigest() != checksum:
            raise BadInput(f"{path} is not the file that is published at {url}: move it away to fetch that one.")
        return f"{path} is there, and its checksum is right."
    check_writable(path)
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            content = answer.read()
    except (OSError, http.client.HTTPException) as error:  # Also a connection that breaks off.
        reason = getattr(error, "reason", None) or error
        raise BadInput(f"{url} can't be reached ({reason}): fetch it elsewhere, and put it at {path}.") from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise BadInput(f"{url} gave another file than the one with SHA-256 {checksum}: nothing was written.")
    write_atomically(path, content)
    return f"Wrote {path}."
