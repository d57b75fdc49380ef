import dataclasses
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import PRNGKeyArray

from ... import rules
from ...errors import BadInput
from ...rules import LearnedRule
from ._ingredients import leave_out


_EXPENSIVE = ("large_decay", "lin_lower_symm", "lin_upper_psd", "rbf", "sqr_lower_symm", "sqr_upper_symm")


@final
@dataclasses.dataclass(frozen=True)
class Lean:
    """The small rule, whose meta-parameters fit any base model."""

    hidden: int = 16
    """Channels of a unit's hidden state."""
    signal: int = 8
    """Channels of the error signal."""
    readout: int = 2
    """Products that a low-rank readout averages."""
    width: int = 1
    """Examples of a batch that mix in a convolution; odd, 1 for none."""
    step_size: float = 0.03
    """Of the inner loop, at the start: it is learned."""
    without: tuple[str, ...] = _EXPENSIVE
    """Ingredients to leave out; by default half of the terms, so that a step costs less."""

    def build(self, key: PRNGKeyArray) -> LearnedRule:
        """A rule with fresh meta-parameters."""
        sizes = {name: getattr(self, name) for name in ("hidden", "signal", "readout", "width", "step_size")}
        _check(sizes)
        return _make(rules.lean, sizes, self.without, key)


@final
@dataclasses.dataclass(frozen=True)
class Released:
    """The rule as released with arXiv 1804.00222, tied to base models of one number of features."""

    outputs: int = 32
    """Features of the base models."""
    hidden: int = 64
    """Channels of a unit's hidden state."""
    signal: int = 32
    """Channels of the error signal."""
    readout: int = 4
    """Products that a low-rank readout averages."""
    top_hidden: int = 64
    """Channels of the top error network."""
    separate_feedback_change: bool = False
    """Whether the feedback weights get a change of their own."""
    step_size: float = 1e-4
    """Of the inner loop; a constant."""
    without: tuple[str, ...] = ()
    """Ingredients to leave out."""

    def build(self, key: PRNGKeyArray) -> LearnedRule:
        """A rule with fresh meta-parameters."""
        sizes = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        _check(sizes)
        outputs, without = sizes.pop("outputs"), sizes.pop("without")
        return _make(rules.released, {"outputs": outputs, **sizes}, without, key)


ARCHITECTURES = {"lean": Lean, "released": Released}


def configuration_of(rule: Lean | Released) -> dict[str, Any]:
    """What a rule file keeps to build the rule anew."""
    (name,) = (name for name, kind in ARCHITECTURES.items() if isinstance(rule, kind))
    return {"architecture": name, **dataclasses.asdict(rule)}


def build(configuration: dict[str, Any], key: PRNGKeyArray | None = None) -> LearnedRule:
    """A rule of the structure that a rule file asks for, with fresh meta-parameters.

    Raises `BadInput` for a structure that this version can't make.
    """
    fields = dict(configuration)
    name = fields.pop("architecture", None)
    if name not in ARCHITECTURES:
        raise BadInput(f"This rule file asks for the architecture {name!r}; this version knows {list(ARCHITECTURES)}.")
    known = {field.name for field in dataclasses.fields(ARCHITECTURES[name])}
    if not set(fields) <= known:
        odd = sorted(set(fields) - known)[0]
        raise BadInput(f"This rule file's field {odd!r} is unknown to this version's {name} rule; it knows {known}.")
    fields["without"] = tuple(fields.get("without", ()))
    rule = ARCHITECTURES[name](**fields).build(jr.key(0) if key is None else key)
    # Without weak types, as a rule from a file: else both would be compiled.
    return jax.tree.map(lambda leaf: jnp.array(leaf, leaf.dtype) if eqx.is_array(leaf) else leaf, rule)


@eqx.filter_jit  # One program, which the next command finds compiled, instead of a hundred small ones.
def _make(
    rule: Callable[..., LearnedRule], sizes: dict[str, Any], without: tuple[str, ...], key: PRNGKeyArray
) -> LearnedRule:
    return leave_out(rule(key=key, **sizes), without)


def _check(sizes: dict[str, Any]) -> None:
    for name, size in sizes.items():
        option = f"--rule.{name.replace('_', '-')}"
        if type(size) is int and size < 1:
            raise BadInput(f"{option} must be 1 or more; got {size}.")
        if name == "width" and size % 2 == 0:
            raise BadInput(f"{option} must be odd; got {size}.")
        if name == "step_size" and not size > 0:
            raise BadInput(f"{option} must be above 0; got {size}.")
