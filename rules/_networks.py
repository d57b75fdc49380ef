from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._blocks import AbstractBlock, batch_norm, Convolution
from ._features import AbstractFeature, Population
from ._states import States


@final
class TopErrorNetwork(eqx.Module):
    """Makes the first error signal from the features alone: what stands in for a loss's gradient."""

    blocks: tuple[AbstractBlock, ...]
    output: Convolution

    def __call__(self, features: Float[Array, "batch unit"]) -> Float[Array, "unit channel batch"]:
        states = States(features.T[None])
        for block in self.blocks:
            states = block(states)
        return self.output(states).middle


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
    def __call__(self, population: Population) -> States:
        plain = [feature(population) for feature in self.plain]
        raw = jnp.concatenate([feature(population) for feature in self.standardised])
        states = States(jnp.concatenate([*plain, batch_norm(raw, self.offset)]))
        for block in self.blocks:
            states = block(states)
        return states
