import math
from collections.abc import Callable
from typing import final, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, PyTree

from .._problem import AbstractProblem, recomputed
from ._population import ParticleKeys


_Tree = TypeVar("_Tree")

_HELD = 64
"""The longest truncation that one level of rematerialisation handles: it holds a state for each step. Longer ones use
two levels, and memory grows with the square root of their length."""


@final
class Truncation(eqx.Module):
    """The steps that one particle takes in one window: the first of a new unroll, or those that follow.

    Every particle scans over `maximum` steps, a static number. Those from `steps` on are skipped, by all particles.
    Those from `remaining` on lie beyond the horizon of this particle's unroll: they are computed and masked, so that
    they change neither the state nor the loss. `scale` is the number of windows over the number of steps of the
    particle's unroll: the mean over its windows of `scale` times their summed losses is its mean step loss.
    """

    keys: ParticleKeys
    is_start: Bool[Array, ""]
    steps: Int[Array, ""]
    remaining: Int[Array, ""]
    scale: Float[Array, ""]
    windows: Int[Array, ""]  # Windows of this unroll before this one.
    maximum: int = eqx.field(static=True)
    skips: bool = eqx.field(static=True)  # Whether `steps` can be below `maximum`.
    masks: bool = eqx.field(static=True)  # Whether `remaining` can be below `steps`.

    @property
    def live_steps(self) -> Int[Array, ""]:
        """Steps that count for this particle."""
        return jnp.minimum(self.steps, self.remaining)


class Unrolled(eqx.Module):
    """The state after a truncation, and the sum of its losses."""

    state: PyTree
    total: Float[Array, ""]


def tree_where(condition: Bool[Array, ""], yes: _Tree, no: _Tree) -> _Tree:
    """Returns one of two trees of arrays, by `jnp.where` on every leaf."""
    return jax.tree.map(lambda y, n: jnp.where(condition, y, n), yes, no)


def unroll(
    problem: AbstractProblem, theta: PyTree, state: PyTree, truncation: Truncation, *, reverse: bool = False
) -> Unrolled:
    """Takes the steps of a truncation, from `state` or, at a start, from `problem.init`, and returns where they led.

    With `reverse` it is made to be differentiated in reverse with little memory: for each step it holds the state and
    what the problem has marked by `keep`, and computes the rest of the step again on the way back. Of more than 64
    steps it holds the states of about 2 sqrt(steps), and what is kept for half as many, and computes steps three times.
    """

    def step(unrolled: Unrolled, index: Int[Array, ""]) -> Unrolled:
        key = jr.fold_in(truncation.keys.steps, index)
        # Jitted, so that it is traced once for all its uses.
        state, loss = eqx.filter_jit(problem.step)(theta, unrolled.state, key)
        after = Unrolled(state, unrolled.total + loss.astype(unrolled.total.dtype))
        return tree_where(index < truncation.remaining, after, unrolled) if truncation.masks else after

    def body(unrolled: Unrolled, index: Int[Array, ""]) -> tuple[Unrolled, None]:
        if not truncation.skips:
            return step(unrolled, index), None
        # The condition is the same for all particles, so that a skipped step costs nothing under `vmap` either.
        return jax.lax.cond(index < truncation.steps, step, lambda u, _: u, unrolled, index), None

    # A reset is a `where` here, outside of the scan: a `cond` inside would compute both branches at every step.
    state = tree_where(truncation.is_start, problem.init(theta, truncation.keys.begin), state)
    start = Unrolled(state, jnp.zeros(()))
    if not reverse:
        return _scan(body, start, jnp.arange(truncation.maximum))
    inner = recomputed(body)
    if truncation.maximum <= _HELD:
        return _scan(inner, start, jnp.arange(truncation.maximum))
    width = math.isqrt(truncation.maximum)
    whole = truncation.maximum - truncation.maximum % width

    @jax.checkpoint
    def block(unrolled: Unrolled, first: Int[Array, ""]) -> tuple[Unrolled, None]:
        return _scan(inner, unrolled, first + jnp.arange(width)), None

    middle = _scan(block, start, jnp.arange(0, whole, width))
    return _scan(inner, middle, jnp.arange(whole, truncation.maximum))


def _scan(body: Callable, carry: Unrolled, xs: Array) -> Unrolled:
    return jax.lax.scan(body, carry, xs)[0] if xs.shape[0] else carry
