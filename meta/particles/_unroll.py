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
"""Steps that one level of rematerialisation holds; more of them take two, and memory grows with their square root."""


@final
class Truncation(eqx.Module):
    """The steps that one particle takes in one window: the first of a new episode, or the next ones.

    Every particle scans over `maximum` steps. Those from `steps` on are skipped for all; those from `remaining` on lie
    beyond this particle's episode and leave no trace. `scale` is number of windows / number of steps of the particle's
    episode: the mean over an episode's windows of `scale` x their summed losses is its mean step loss.
    """

    keys: ParticleKeys
    is_start: Bool[Array, ""]
    steps: Int[Array, ""]
    remaining: Int[Array, ""]
    scale: Float[Array, ""]
    windows: Int[Array, ""]  # windows of this episode that lie behind
    maximum: int = eqx.field(static=True)
    skips: bool = eqx.field(static=True)  # whether `steps` can be below `maximum`
    masks: bool = eqx.field(static=True)  # whether `remaining` can be below `steps`

    @property
    def live_steps(self) -> Int[Array, ""]:
        """Steps that this particle really takes."""
        return jnp.minimum(self.steps, self.remaining)


class Unrolled(eqx.Module):
    """Where a stretch led: the state after it, and the sum of its losses."""

    state: PyTree
    total: Float[Array, ""]


def tree_where(condition: Bool[Array, ""], yes: _Tree, no: _Tree) -> _Tree:
    """One of two trees of arrays, by `where`."""
    return jax.tree.map(lambda y, n: jnp.where(condition, y, n), yes, no)


def unroll(
    problem: AbstractProblem, theta: PyTree, state: PyTree, truncation: Truncation, *, reverse: bool = False
) -> Unrolled:
    """Takes a stretch of steps, from the given state or from the start of an episode.

    To be differentiated in `reverse`, it holds one state and what the problem keeps for each step and computes all else
    of a step twice; of a stretch of more than 64 it holds the states of about 2 sqrt(steps) steps, and what the problem
    keeps for half as many, and computes them three times.
    """

    def step(unrolled: Unrolled, index: Int[Array, ""]) -> Unrolled:
        key = jr.fold_in(truncation.keys.steps, index)
        state, loss = eqx.filter_jit(problem.step)(theta, unrolled.state, key)  # Jitted: traced once for all its uses.
        after = Unrolled(state, unrolled.total + loss.astype(unrolled.total.dtype))
        return tree_where(index < truncation.remaining, after, unrolled) if truncation.masks else after

    def turn(unrolled: Unrolled, index: Int[Array, ""]) -> tuple[Unrolled, None]:
        if not truncation.skips:
            return step(unrolled, index), None
        return jax.lax.cond(index < truncation.steps, step, lambda u, _: u, unrolled, index), None

    state = tree_where(truncation.is_start, problem.init(theta, truncation.keys.begin), state)
    start = Unrolled(state, jnp.zeros(()))
    if not reverse:
        return _scan(turn, start, jnp.arange(truncation.maximum))
    inner = recomputed(turn)
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
