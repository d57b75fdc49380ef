from typing import final

import equinox as eqx
from jaxtyping import PRNGKeyArray

from ._encoder import AbstractEncoder, EncoderCost, EncoderInputs, Features


@final
class Raw(AbstractEncoder):
    """The inputs themselves."""

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        return problem.support, problem.query

    def account(self, train: int) -> EncoderCost:
        return EncoderCost()


@final
class Precomputed(AbstractEncoder):
    """Features that somebody else has computed, which stand where inputs would: they are scored as they are."""

    unlabelled: int = eqx.field(static=True, default=0)
    """Unlabelled examples that had a say in them."""

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        return problem.support, problem.query

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(unlabelled=self.unlabelled)
