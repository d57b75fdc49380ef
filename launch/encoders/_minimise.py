from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.random as jr
import optax
from jaxtyping import Array, Int, PRNGKeyArray, PyTree


_Parameters = TypeVar("_Parameters", bound=PyTree)


def minimise(
    loss: Callable[[_Parameters, PRNGKeyArray], Array],
    start: _Parameters,
    steps: Int[Array, ""] | int,
    optimiser: optax.GradientTransformation,
    key: PRNGKeyArray,
) -> _Parameters:
    """Follows the gradient of a loss with an optimiser; another number of steps compiles nothing anew."""
    optimiser = optax.flatten(optimiser)  # One vector: a program for every array takes long to compile.

    def step(index, carried):
        parameters, state = carried
        grad = jax.grad(loss)(parameters, jr.fold_in(key, index))
        updates, state = optimiser.update(grad, state, parameters)
        return eqx.apply_updates(parameters, updates), state

    return jax.lax.fori_loop(0, steps, step, (start, optimiser.init(start)))[0]
