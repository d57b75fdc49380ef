import abc
from collections.abc import Iterator
from typing import final, Generic, TypeVar

import equinox as eqx
from jaxtyping import PRNGKeyArray

from ..models import Model, Trace
from .kernels._states import States
from .networks._blocks import AbstractBlock, BatchMixing, Convolution, PooledMixing


_Memory = TypeVar("_Memory")


class AbstractTop(eqx.Module, Generic[_Memory]):
    """Makes the first error signal, that of the features: what stands in for the gradient of a loss."""

    @abc.abstractmethod
    def init(self, model: Model) -> _Memory:
        """What is remembered before the first step; None for a top without memory."""

    @abc.abstractmethod
    def __call__(self, trace: Trace, memory: _Memory) -> tuple[States, _Memory]:
        """Returns the signal, some channels for each row and unit of the last population, and the new memory.

        `trace` has the values of all populations for the batch: the inputs first, the features last.
        """


@final
class TopErrorNetwork(AbstractTop[None]):
    """A small network in every neuron of the last population, which sees nothing but that population's activations."""

    blocks: tuple[AbstractBlock, ...]
    output: Convolution

    @classmethod
    def pooled(cls, keys: Iterator[PRNGKeyArray], hidden: int, signal: int, width: int = 1) -> "TopErrorNetwork":
        """One whose units hear the mean state of their population, for any number of them, with four keys' draws.

        `hidden` and `signal` are channels; `width` examples of the batch mix in a convolution.
        """
        blocks = (
            BatchMixing.create((width, 1, hidden), next(keys)),
            PooledMixing.create(hidden, next(keys)),
            BatchMixing.create((width, hidden, hidden), next(keys)),
        )
        return cls(blocks, Convolution.create((width, hidden, signal), next(keys)))

    def init(self, model: Model) -> None:
        return None

    def __call__(self, trace: Trace, memory: None) -> tuple[States, None]:
        values = trace.values[-1]
        states = States(values.reshape(1, -1, values.shape[-1]))
        for block in self.blocks:
            states = block(states)
        return self.output(states), memory
