from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ._layer import AbstractLayer, Dense
from ._synapse import Activity, Synapse


@final
class Model(eqx.Module):
    """A stack of layers. Its features are the activations of the last one."""

    layers: tuple[AbstractLayer, ...]

    def __call__(
        self, x: Float[Array, "batch input"]
    ) -> tuple[Float[Array, "batch feature"], tuple[tuple[Activity, ...], ...]]:
        """Returns the features and, for each layer, the activities of its synapses."""
        activities = []
        for layer in self.layers:
            x, activity = layer(x)
            activities.append(activity)
        return x, tuple(activities)


@final
class MultiLayerPerceptron(eqx.Module):
    """The architecture of a multi-layer perceptron: call it with inputs and a key for a model with a random start.

    `widths` are the units of every population above the input, features last. Weights (forward and feedback) and
    biases are normal, truncated at two standard deviations (`weight_scale`, `bias_scale`), as in arXiv 1804.00222.
    Raises `ValueError` if there is no width or one is below 1.
    """

    widths: tuple[int, ...] = eqx.field(static=True)
    activation: Callable[[Array], Array] = eqx.field(static=True, default=jax.nn.relu)
    weight_scale: float = eqx.field(static=True, default=0.01)
    bias_scale: float = eqx.field(static=True, default=0.1)

    def __check_init__(self):
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"A network needs at least one layer, each of one unit or more; got {self.widths}.")

    def __call__(self, inputs: int, key: PRNGKeyArray) -> Model:
        shapes = list(zip((inputs, *self.widths[:-1]), self.widths))
        # One draw for all: compiling a restart stays cheap however deep the model is.
        noise = jr.truncated_normal(key, -2.0, 2.0, (sum(2 * pre * post + post for pre, post in shapes),))
        layers, start = [], 0
        for pre, post in shapes:
            size = pre * post
            w, v, b = jnp.split(noise[start : start + 2 * size + post], [size, 2 * size])
            w, v = self.weight_scale * w.reshape(pre, post), self.weight_scale * v.reshape(pre, post)
            layers.append(Dense((Synapse(w, self.bias_scale * b, v),), self.activation))
            start += 2 * size + post
        return Model(tuple(layers))
