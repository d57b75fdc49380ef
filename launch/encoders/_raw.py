from typing import final

import equinox as eqx
from jaxtyping import PRNGKeyArray

from ._encoder import AbstractEncoder, Features, Problem, Statistics


@final
class Raw(AbstractEncoder):
    """The inputs themselves."""

    steps: int = eqx.field(static=True, default=0)
    statistics: Statistics = eqx.field(static=True, default="none")

    def __call__(self, problem: Problem, key: PRNGKeyArray) -> Features:
        return problem.support, problem.query

    def unlabelled(self, train: int) -> int:
        return 0
