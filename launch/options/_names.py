from collections.abc import Mapping
from typing import TypeVar

from ...errors import BadInput


_Value = TypeVar("_Value")


def choose(name: str, known: Mapping[str, _Value], what: str) -> _Value:
    """The value of this name. Raises `BadInput` with the known names."""
    if name not in known:
        raise BadInput(f"Unknown {what} {name!r}; the known ones are {', '.join(known)}.")
    return known[name]
