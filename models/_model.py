from collections.abc import Callable, Sequence
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


def mlp(
    widths: Sequence[int],
    key: PRNGKeyArray,
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    weight_scale: float = 0.01,
    bias_scale: float = 0.1,
) -> Model:
    """A multi-layer perceptron with a random start.

    `widths` are the units of every population, input first and features last. Weights (forward and feedback) and
    biases are normal, truncated at two standard deviations (`weight_scale`, `bias_scale`), as in arXiv 1804.00222.
    All of it is one draw, so that compiling a restart stays cheap however deep the model is.

    Raises `ValueError` if fewer than two widths are given or one is below 1.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"A network needs at least an input and an output width, each 1 or more; got {tuple(widths)}.")
    shapes = list(zip(widths[:-1], widths[1:]))
    noise = jr.truncated_normal(key, -2.0, 2.0, (sum(2 * pre * post + post for pre, post in shapes),))
    layers, start = [], 0
    for pre, post in shapes:
        size = pre * post
        w, v, b = jnp.split(noise[start : start + 2 * size + post], [size, 2 * size])
        synapse = Synapse(weight_scale * w.reshape(pre, post), bias_scale * b, weight_scale * v.reshape(pre, post))
        layers.append(Dense((synapse,), activation))
        start += 2 * size + post
    return Model(tuple(layers))
