from typing import TypeVar

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..models import Model, unlabelled
from ._rule import AbstractRule


_State = TypeVar("_State")


def fit(
    rule: AbstractRule[_State],
    carried: tuple[Model, _State],
    examples: Float[Array, " example *shape"],
    steps: Int[Array, ""] | int,
    *,
    batch_size: int,
    key: PRNGKeyArray,
) -> tuple[Model, _State]:
    """Applies a rule `steps` times to a base model, on random batches of unlabelled examples.

    `carried` is the model and the rule's memory, from `rule.init` at the start or from an earlier call. A batch holds
    of each example what `unlabelled` shows of it. The number of steps is an array like any other: changing it compiles
    nothing anew.
    """
    arrays, static = eqx.partition(carried, eqx.is_array)

    def step(index: Int[Array, ""], arrays: PyTree) -> PyTree:
        model, state = eqx.combine(arrays, static)
        draw = lambda key: examples[jr.randint(key, (batch_size,), 0, examples.shape[0])]
        updates, state = rule.update(model, unlabelled(model, draw, jr.fold_in(key, index)), state)
        return eqx.filter((eqx.apply_updates(model, updates), state), eqx.is_array)

    return eqx.combine(jax.lax.fori_loop(0, steps, step, arrays), static)
