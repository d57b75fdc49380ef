import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax
from jaxtyping import Array, Float

from ._layer import Layer
from ._model import Model


def freeze(model: Model, x: Float[Array, " example *shape"]) -> Model:
    """A model that normalises by the statistics of these inputs, whatever the batch at hand.

    Features of an example then don't depend on other examples. The statistics go into the weights and biases.
    """
    values, layers = [x], []
    for layer in model.layers:
        if layer.epsilon is not None:
            sums = layer.products(values)
            places = tuple(range(sums.ndim - 1))
            gain = jax.lax.rsqrt(sums.var(places) + layer.epsilon)
            layer = _folded(layer, gain, sums.mean(places) * gain)
        layers.append(layer)
        values.append(layer.values(values))
    return dataclasses.replace(model, layers=tuple(layers))


def with_frozen(model: Model, weights: Sequence[Array], biases: Sequence[Array]) -> Model:
    """A model without normalisation that has these weights [pre, post] and biases, of every connection in turn."""
    layers = tuple(Layer(each.connections, each.activation, None, each.skip) for each in model.layers)
    frozen = dataclasses.replace(model, layers=layers)
    frozen = eqx.tree_at(lambda it: [synapse.w for synapse in it.synapses], frozen, list(weights))
    return eqx.tree_at(lambda it: [synapse.b for synapse in it.synapses], frozen, list(biases))


def _folded(layer: Layer, gain: Float[Array, " unit"], offset: Float[Array, " unit"]) -> Layer:
    """A layer without normalisation whose weights have a gain, and whose bias an offset less."""
    weights = [each.synapse.w * gain for each in layer.connections]
    biases = [each.synapse.b for each in layer.connections]
    biases[0] = biases[0] - offset  # Biases are summed: one of them takes the whole offset.
    layer = eqx.tree_at(lambda it: [each.synapse.w for each in it.connections], layer, weights)
    layer = eqx.tree_at(lambda it: [each.synapse.b for each in it.connections], layer, biases)
    return Layer(layer.connections, layer.activation, None, layer.skip)
