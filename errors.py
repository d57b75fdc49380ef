import struct
import tarfile
import zipfile
import zlib
from typing import final


@final
class BadInput(ValueError):
    """Raised for unusable input from the user. The message is one sentence that says what to do instead."""


_CONTAINERS = zlib.error, struct.error, zipfile.BadZipFile, tarfile.TarError

DAMAGED = OSError, EOFError, ValueError, AttributeError, KeyError, IndexError, SyntaxError, *_CONTAINERS
"""What is raised where a file that is compressed, an archive, or an image is damaged."""
