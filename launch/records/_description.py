import dataclasses
from typing import Any


def describe(value: Any) -> Any:
    """Returns a configuration as JSON values: a dataclass as its class name and fields, other objects as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"class": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [describe(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Flattens nested dictionaries: returns the values by the dotted names of their places, such as `rule.hidden`."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    inner = [flat(each, f"{name}.{key}" if name else str(key)) for key, each in value.items()]
    return {key: each for values in inner for key, each in values.items()}
