import dataclasses
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...rules import AbstractRule
from ..options._ingredients import additive, names_of
from ..records._leaves import named_leaves


class Number(NamedTuple):
    """A number of a rule that a person can read."""

    name: str
    value: float
    learned: bool
    """Whether it is a meta-parameter, and not a constant."""


def coefficients(rule: AbstractRule) -> dict[str, float]:
    """The coefficient of each term of a rule that adds up terms; empty for any other rule."""
    found = additive(rule)
    if found is None:
        return {}
    change = found.weight_change
    return dict(zip(names_of(change.terms), np.asarray(change.coefficients, float).tolist()))


def numbers(rule: AbstractRule) -> tuple[Number, ...]:
    """Every single number of a rule, such as its step size and decay, by the names of its fields.

    A logarithm, whose name begins with `log_`, is shown as what it is the logarithm of, and a field `logit` as the
    share between 0 and 1 that it stands for.
    """
    return tuple(_plain(name, value) for name, value in _singles(rule))


def sizes(rule: AbstractRule) -> dict[str, int]:
    """How many meta-parameters each part of a rule has, by the names of its fields, largest first."""
    found: dict[str, int] = {}
    for name, value in _fields(rule):
        inside = sizes(value) if isinstance(value, AbstractRule) else {name: _count(value)}
        for part, count in inside.items():
            found[part] = found.get(part, 0) + count
    return {name: found[name] for name in sorted(found, key=lambda name: -found[name]) if found[name]}


def _count(tree: Any) -> int:
    return sum(leaf.size for leaf in named_leaves(tree).values() if jnp.issubdtype(leaf.dtype, jnp.floating))


def _fields(module: eqx.Module) -> Iterator[tuple[str, Any]]:
    return ((field.name, getattr(module, field.name)) for field in dataclasses.fields(module))


def _singles(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The single numbers of a module and of those within it, by the names of their paths."""
    if isinstance(node, eqx.Module):
        for name, value in _fields(node):
            yield from _singles(value, f"{path}.{name}" if path else name)
    elif isinstance(node, tuple | list):
        for place, value in enumerate(node):
            yield from _singles(value, f"{path}.{place}")
    elif isinstance(node, float) or (isinstance(node, jax.Array | np.ndarray) and node.ndim == 0):
        yield path, node


def _plain(path: str, value: Any) -> Number:
    *above, name = path.split(".")
    number, learned = float(value), not isinstance(value, float)
    if name.startswith("log_"):
        name, number = name.removeprefix("log_"), math.exp(number)
    elif name == "logit":
        name, number = "share", 1 / (1 + math.exp(-number))
    return Number(".".join([*above, name]).replace("_", " "), number, learned)
