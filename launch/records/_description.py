import dataclasses
import hashlib
import inspect
import re
from typing import Any

import jax
import numpy as np


_PACKAGE = __name__.split(".")[0]


def describe(value: Any) -> Any:
    """An object as plain JSON: every dataclass and Equinox module by its class and fields.

    A class from outside this package appears as `module:Class`, an array as its type, shape and a digest of its
    numbers, and a function as where it is defined: two processes describe the same objects alike.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"class": class_name(type(value)), **fields}
    if isinstance(value, tuple | list):
        return [describe(each) for each in value]
    if isinstance(value, dict):
        return {str(name): describe(each) for name, each in value.items()}
    if isinstance(value, jax.Array | np.ndarray):
        numbers = np.asarray(value)
        digest = hashlib.sha256(numbers.tobytes()).hexdigest()[:12]
        return f"{numbers.dtype}[{','.join(map(str, numbers.shape))}]:{digest}"
    if inspect.isfunction(value) and "<lambda>" not in value.__qualname__:
        return class_name(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))  # Where it lies in memory is another in every process.


def class_name(kind: Any) -> str:
    """The name of a class or function; of one from outside this package also its module, as `module:Class`."""
    inside = kind.__module__.split(".")[0] == _PACKAGE
    return kind.__qualname__ if inside else f"{kind.__module__}:{kind.__qualname__}"


def is_own(value: Any) -> bool:
    """Whether an object's class is from outside this package."""
    return ":" in class_name(type(value))


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Flattens nested dictionaries: returns the values by the dotted names of their places, such as `rule.hidden`."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    inner = [flat(each, f"{name}.{key}" if name else str(key)) for key, each in value.items()]
    return {key: each for values in inner for key, each in values.items()}
