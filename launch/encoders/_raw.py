from typing import final

from jaxtyping import PRNGKeyArray

from ._encoder import AbstractEncoder, EncoderCost, EncoderInputs, Features


@final
class Raw(AbstractEncoder):
    """The inputs themselves."""

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        return problem.support, problem.query

    def account(self, train: int) -> EncoderCost:
        return EncoderCost()
