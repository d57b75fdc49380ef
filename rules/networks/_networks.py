from typing import final

import equinox as eqx
from jaxtyping import Array, Float

from ..kernels._states import States
from ._blocks import AbstractBlock, batch_norm
from ._features import AbstractFeature, NeuronInputs


@final
class UpdateNetwork(eqx.Module):
    """The small network in every neuron: from what its unit may see to a hidden state.

    `standardised` ingredients pass a batch normalisation first, `plain` ones go in as they are.
    """

    plain: tuple[AbstractFeature, ...]
    standardised: tuple[AbstractFeature, ...]
    offset: Float[Array, " feature"]
    blocks: tuple[AbstractBlock, ...]

    @eqx.filter_jit  # Populations that are alike are traced once.
    def __call__(self, population: NeuronInputs) -> States:
        axis = population.signal.axis  # The order in which these networks compute.
        plain = [feature(population) for feature in self.plain]
        raw = States.join([feature(population) for feature in self.standardised], axis)
        states = States.join([*plain, raw.replace(batch_norm(raw.array, self.offset, axis))], axis)
        for block in self.blocks:
            states = block(states)
        return states
