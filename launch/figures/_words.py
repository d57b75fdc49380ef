from collections.abc import Mapping
from typing import Any


def worded(value: Any) -> str:
    """A setting from a JSON file as words for people: no brackets, no null."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, list):
        return ", ".join(map(worded, value)) or "none"
    if isinstance(value, Mapping):
        own = {name: each for name, each in value.items() if name != "class" and each is not None}
        inside = ", ".join(f"{titled(name)} {_within(each)}" for name, each in own.items())
        return ": ".join(filter(None, [str(value.get("class", "")), inside])) or "none"
    return str(value)


def titled(name: str) -> str:
    """The name of a field as words."""
    return name.replace("_", " ")


def settings(values: Mapping[str, Any]) -> dict[str, str]:
    """Settings by their names in words, without those that are not set."""
    return {titled(name): worded(value) for name, value in values.items() if value is not None and name != "class"}


def duration(seconds: float) -> str:
    """Seconds in words, such as `35 min`."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _within(value: Any) -> str:
    """What stands within other words: of an object that holds one number only that number, else in brackets."""
    if not isinstance(value, Mapping):
        return worded(value)
    own = {name: each for name, each in value.items() if name != "class" and each is not None}
    return f"({', '.join(f'{titled(name)} {_within(each)}' for name, each in own.items())})" if own else worded(value)
