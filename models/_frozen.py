from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
from jaxtyping import Array, Float

from ._layer import AbstractLayer, Dense
from ._model import Model
from ._synapse import Activity, Synapse


@final
class FrozenDense(AbstractLayer):
    """A fully connected layer without batch normalisation: product, bias, nonlinearity."""

    synapses: tuple[Synapse]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "batch pre"]) -> tuple[Float[Array, "batch post"], tuple[Activity]]:
        (synapse,) = self.synapses
        z = x @ synapse.w + synapse.b
        y = self.activation(z)
        return y, (Activity(x, z, y),)

    def descend(self, signal: Float[Array, "_ _ _"], axis: int = -1) -> Float[Array, "_ _ _"]:
        (synapse,) = self.synapses
        return synapse.descend(signal, axis)


def freeze(model: Model, x: Float[Array, "batch input"]) -> Model:
    """A model that normalises by the statistics of these inputs, whatever the batch at hand: for features of one
    example that don't depend on others. Its layers must be `Dense`; each one's statistics go into its weights."""
    layers = []
    for layer in model.layers:
        assert isinstance(layer, Dense)
        (synapse,) = layer.synapses
        sums = x @ synapse.w
        gain = jax.lax.rsqrt(sums.var(0) + layer.epsilon)
        folded = Synapse(synapse.w * gain, synapse.b - sums.mean(0) * gain, synapse.v)
        layers.append(FrozenDense((folded,), layer.activation))
        x, _ = layers[-1](x)
    return Model(tuple(layers))
