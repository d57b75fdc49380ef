from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._blocks import AbstractBlock, batch_norm, Convolution
from ._features import AbstractFeature, Population


@final
class TopErrorNetwork(eqx.Module):
    """Makes the first error signal from the features alone: what stands in for a loss's gradient."""

    blocks: tuple[AbstractBlock, ...]
    output: Convolution

    def __call__(self, features: Float[Array, "batch unit"]) -> Float[Array, "unit batch channel"]:
        values = features.T[:, :, None]
        for block in self.blocks:
            values = block(values)
        return self.output(values)


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
    def __call__(self, population: Population) -> Float[Array, "unit batch hidden"]:
        plain = [feature(population) for feature in self.plain]
        raw = jnp.concatenate([feature(population) for feature in self.standardised], -1)
        values = jnp.concatenate([*plain, batch_norm(raw, self.offset)], -1)
        for block in self.blocks:
            values = block(values)
        return values
