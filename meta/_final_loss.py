from typing import Any, final

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..errors import BadInput
from ._length import Length
from ._problem import AbstractProblem


@final
class FinalLoss(AbstractProblem):
    """The same problem, scored by the loss of its last step alone, told step by step.

    Each step's loss is its rise over that of the step before, times the number of steps: the mean over an episode is
    the last loss. Noise that came after a rise is not credited with it, which makes it cheaper for PES and its kin than
    a loss that is zero until the end (arXiv 2112.13835).

    Raises `BadInput` for a problem whose episodes vary in length.
    """

    problem: AbstractProblem
    horizon: Length

    def __init__(self, problem: AbstractProblem):
        self.problem = problem
        self.horizon = problem.horizon

    def __check_init__(self):
        if not self.horizon.fixed:
            raise BadInput("A final loss can be told step by step only if all episodes are of one length.")

    def init(self, theta: PyTree, key: PRNGKeyArray) -> tuple[Any, Float[Array, ""]]:
        return self.problem.init(theta, key), jnp.zeros(())

    def step(
        self, theta: PyTree, state: tuple[Any, Float[Array, ""]], key: PRNGKeyArray
    ) -> tuple[tuple[Any, Float[Array, ""]], Float[Array, ""]]:
        inner, before = state
        inner, loss = self.problem.step(theta, inner, key)
        return (inner, loss.astype(before.dtype)), self.horizon.maximum * (loss - before)
