import dataclasses
from typing import Any


def describe(value: Any) -> Any:
    """A configuration as plain JSON: every object by its class and fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"class": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [describe(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """A configuration's values under the dotted names of their places."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    inner = [flat(each, f"{name}.{key}" if name else str(key)) for key, each in value.items()]
    return {key: each for some in inner for key, each in some.items()}
