import dataclasses
import math
import typing
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import PRNGKeyArray

from ... import rules
from ...errors import BadInput
from ...rules import AbstractRecipe, AbstractRule, Momentum
from ..records._description import class_name, describe
from ._fields import ADJUSTED, fields_as_options, fitting, with_description
from ._ingredients import leave_out
from ._names import choose, own


_EXPENSIVE = ("large_decay", "lin_lower_symm", "lin_upper_psd", "rbf", "sqr_lower_symm", "sqr_upper_symm")


@final
@dataclasses.dataclass(frozen=True)
class Lean(AbstractRecipe):
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
    """Initial step size of the inner loop; it is learned."""
    without: tuple[str, ...] = dataclasses.field(default=_EXPENSIVE, metadata=ADJUSTED)
    """All ingredients that are left out; by default half of the terms, so that a step costs less."""
    momentum: float = 0.0
    """Initial decay of a moving average that takes the place of the updates, and is learned; 0 for none."""

    def build(self, key: PRNGKeyArray) -> AbstractRule:
        return _build(rules.lean, self, key)


@final
@dataclasses.dataclass(frozen=True)
class Released(AbstractRecipe):
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
    """Step size of the inner loop; a constant."""
    without: tuple[str, ...] = dataclasses.field(default=(), metadata=ADJUSTED)
    """All ingredients that are left out."""
    momentum: float = 0.0
    """Initial decay of a moving average that takes the place of the updates, and is learned; 0 for none."""

    def build(self, key: PRNGKeyArray) -> AbstractRule:
        return _build(rules.released, self, key)


@final
@dataclasses.dataclass(frozen=True)
class Polynomial(AbstractRecipe):
    """Plasticity as a polynomial in pre- and postsynaptic activity and weight: a few coefficients to be read."""

    step_size: float = 0.03
    """Initial step size of the inner loop; it is learned."""
    without: tuple[str, ...] = dataclasses.field(default=(), metadata=ADJUSTED)
    """All ingredients that are left out."""
    momentum: float = 0.0
    """Initial decay of a moving average that takes the place of the updates, and is learned; 0 for none."""

    def build(self, key: PRNGKeyArray) -> AbstractRule:
        return _build(rules.polynomial, self, key)


@final
@dataclasses.dataclass(frozen=True)
class Bidirectional(AbstractRecipe):
    """Units of several states that go up and come down; weights change by their products."""

    states: int = 2
    """States of a unit; with two, backpropagation is a case."""
    hidden: int = 16
    """Channels of the network that makes the first feedback."""
    step_size: float = 0.03
    """Initial step size of the inner loop; it is learned."""
    without: tuple[str, ...] = dataclasses.field(default=(), metadata=ADJUSTED)
    """All ingredients that are left out."""
    momentum: float = 0.0
    """Initial decay of a moving average that takes the place of the updates, and is learned; 0 for none."""

    def build(self, key: PRNGKeyArray) -> AbstractRule:
        return _build(rules.bidirectional, self, key)


@final
@dataclasses.dataclass(frozen=True)
class LocalLoss(AbstractRecipe):
    """A learned loss within each layer, of single units and of pairs, whose gradient is the change of a weight."""

    hidden: int = 16
    """Units of each of the two networks that make the loss."""
    step_size: float = 0.03
    """Initial step size of the inner loop; it is learned."""
    without: tuple[str, ...] = dataclasses.field(default=(), metadata=ADJUSTED)
    """All ingredients that are left out."""
    momentum: float = 0.0
    """Initial decay of a moving average that takes the place of the updates, and is learned; 0 for none."""

    def build(self, key: PRNGKeyArray) -> AbstractRule:
        return _build(rules.local_loss, self, key)


@final
@dataclasses.dataclass(frozen=True)
class ExistingRule(AbstractRecipe):
    """A rule that is there already, such as one of the user's own class: it is meta-trained from the arrays it has."""

    rule: AbstractRule[Any]

    def build(self, key: PRNGKeyArray) -> AbstractRule:
        return _without_weak_types(self.rule)


BuiltIn = Lean | Released | Polynomial | Bidirectional | LocalLoss
"""Recipes of this package: what they leave out has names."""

ARCHITECTURES: dict[str, type[BuiltIn]] = {
    "lean": Lean, "released": Released, "polynomial": Polynomial, "bidirectional": Bidirectional,
    "local-loss": LocalLoss,
}  # fmt: skip


def recipe(name: str) -> AbstractRecipe:
    """The recipe of this name, or that of the user's own class `MODULE:CLASS`, a rule or a recipe.

    Raises `BadInput` for an unknown name and for a class that is neither.
    """
    if ":" in name:
        return as_recipe(own(name, "rule", AbstractRule, AbstractRecipe))
    return choose(name, ARCHITECTURES, "rule", "MODULE:CLASS")()


def as_recipe(rule: AbstractRule | AbstractRecipe) -> AbstractRecipe:
    """A rule or a recipe as a recipe."""
    return ExistingRule(rule) if isinstance(rule, AbstractRule) else rule


def _own_object(recipe: AbstractRecipe) -> AbstractRule | AbstractRecipe:
    """What `as_recipe` was given: the object whose class and fields a file names."""
    return recipe.rule if isinstance(recipe, ExistingRule) else recipe


def configuration_of(recipe: AbstractRecipe) -> dict[str, Any]:
    """What a rule file holds to make a rule of the same structure: the recipe's or rule's name and plain fields."""
    made = _own_object(recipe)
    names: dict[type, str] = {kind: name for name, kind in ARCHITECTURES.items()}
    name = names.get(type(made)) or class_name(type(made))
    plain = describe(fields_as_options(made))
    return {"architecture": name, **{field: value for field, value in plain.items() if field != "class"}}


def build(
    configuration: dict[str, Any], key: PRNGKeyArray | None = None, own_recipe: AbstractRecipe | None = None
) -> AbstractRule:
    """A rule of the structure that a rule file asks for, with fresh meta-parameters.

    A file never has code imported: for a rule of the user's own class that class is to be given, as `own_recipe`.
    Raises `BadInput` for a structure that this version can't make, and where the class is needed or is another one.
    """
    name = configuration.get("architecture")
    if own_recipe is not None:
        found = configuration_of(own_recipe)["architecture"]
        if found != name:
            raise BadInput(f"This rule file holds a rule {name!r}, not {found!r}: name its own class, or leave it out.")
        described = as_recipe(with_description(_own_object(own_recipe), configuration))
        return described.build(jr.key(0) if key is None else key)
    if isinstance(name, str) and ":" in name:
        raise BadInput(
            f"This rule file holds a rule of the class {name}, which a file can't have imported: name the class too, "
            f"by --rule-class {name} or, in Python, load_rule(path, like=the class)."
        )
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise BadInput(f"This rule file asks for the architecture {name!r}; this version knows {list(ARCHITECTURES)}.")
    fields = {field: value for field, value in configuration.items() if field != "architecture"}
    known = {field.name for field in dataclasses.fields(ARCHITECTURES[name])}
    if not set(fields) <= known:
        odd = sorted(set(fields) - known)[0]
        raise BadInput(f"This rule file's field {odd!r} is unknown to this version's {name} rule; it knows {known}.")
    hints = typing.get_type_hints(ARCHITECTURES[name])
    fields = {"without": (), **{field: fitting(value, hints[field], field) for field, value in fields.items()}}
    return ARCHITECTURES[name](**fields).build(jr.key(0) if key is None else key)


def _without_weak_types(rule: AbstractRule) -> AbstractRule:
    """The same rule with arrays as a file gives them: a program for weakly typed ones would be compiled beside it."""
    return jax.tree.map(lambda leaf: jnp.array(leaf, leaf.dtype) if getattr(leaf, "weak_type", False) else leaf, rule)


def _build(rule: Callable[..., AbstractRule], recipe: "BuiltIn", key: PRNGKeyArray) -> AbstractRule:
    sizes = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    _check(sizes)
    return _make(rule, sizes, (sizes.pop("without"), sizes.pop("momentum")), key)


@eqx.filter_jit  # One program, which the next command finds compiled, instead of a hundred small ones.
def _make(
    rule: Callable[..., AbstractRule], sizes: dict[str, Any], parts: tuple[tuple[str, ...], float], key: PRNGKeyArray
) -> AbstractRule:
    without, momentum = parts
    made = rule(key=key, **sizes)
    return _without_weak_types(leave_out(Momentum.create(made, momentum) if momentum else made, without))


_MOST_CHANNELS = 4096  # A matrix of as many rows and columns takes 64 MiB; a rule has dozens.


def _check(sizes: dict[str, Any]) -> None:
    for name, size in sizes.items():
        option = f"--rule.{name.replace('_', '-')}"
        if type(size) is int and size < 1:
            raise BadInput(f"{option} must be 1 or more; got {size}.")
        if type(size) is int and size > _MOST_CHANNELS:
            raise BadInput(f"{option} must be at most {_MOST_CHANNELS:,}; got {size:,}.")
        if name == "width" and size % 2 == 0:
            raise BadInput(f"{option} must be odd; got {size}.")
        if name == "step_size" and not 0 < size < math.inf:
            raise BadInput(f"{option} must be above 0 and finite; got {size}.")
        if name == "momentum" and not 0 <= size < 1:
            raise BadInput(f"{option} must be at least 0 and below 1; got {size}.")
