import abc
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ._length import Length


_State = TypeVar("_State")
_Tree = TypeVar("_Tree")

_KEPT = "kept"


class AbstractProblem(eqx.Module, Generic[_State]):
    """An unrolled computation with parameters theta and a loss at every step: all that an estimator knows.

    The meta-loss is the mean over an episode's steps of the expected loss. Theta is any PyTree: its floating-point
    arrays are learned. The state is a PyTree of arrays.
    """

    horizon: eqx.AbstractVar[Length]  # steps in an episode; drawn anew as each begins

    @abc.abstractmethod
    def init(self, theta: PyTree, key: PRNGKeyArray) -> _State:
        """The state at the start of an episode."""

    @abc.abstractmethod
    def step(self, theta: PyTree, state: _State, key: PRNGKeyArray) -> tuple[_State, Float[Array, ""]]:
        """Advances the state by one step and returns the loss there."""


def keep(tree: _Tree) -> _Tree:
    """Marks arrays of a step that backpropagation keeps where it computes the rest of the step again: such as data,
    which take longer to draw than to hold."""
    return jax.tree.map(lambda x: checkpoint_name(x, _KEPT), tree)


def recomputed(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step of a scan of which backpropagation holds only what goes in and what `keep` has marked."""
    policy = jax.checkpoint_policies.save_only_these_names(_KEPT)
    return jax.checkpoint(step, prevent_cse=False, policy=policy)
