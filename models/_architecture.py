import abc
import math
from collections.abc import Callable, Iterator, Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from ..errors import BadInput
from ._layer import Connection, Layer
from ._model import Model
from ._synapse import Synapse
from ._wire import Flatten, Straight


class AbstractArchitecture(eqx.Module):
    """How base models of one kind are made."""

    @property
    @abc.abstractmethod
    def features(self) -> int:
        """Number of features of its models."""

    @abc.abstractmethod
    def __call__(self, shape: tuple[int, ...], key: PRNGKeyArray) -> Model:
        """A model with random initial weights, for examples of this shape, such as (784,) or (28, 28, 1)."""


@final
class MultiLayerPerceptron(AbstractArchitecture):
    """Fully connected layers, one after another.

    `widths` are the units of every population above the input, features last. Weights (forward and feedback) and
    biases are normal, truncated at two standard deviations (`weight_scale`, `bias_scale`), as in arXiv 1804.00222.
    Raises `BadInput` if there is no width or one is below 1.
    """

    widths: tuple[int, ...] = eqx.field(static=True)
    activation: Callable[[Array], Array] = eqx.field(static=True, default=jax.nn.relu)
    weight_scale: float = eqx.field(static=True, default=0.01)
    bias_scale: float = eqx.field(static=True, default=0.1)

    def __check_init__(self):
        if not self.widths or min(self.widths) < 1:
            raise BadInput(f"A network needs at least one layer, each of one unit or more; got {self.widths}.")

    @property
    def features(self) -> int:
        return self.widths[-1]

    def __call__(self, shape: tuple[int, ...], key: PRNGKeyArray) -> Model:
        sizes = list(zip((math.prod(shape), *self.widths[:-1]), self.widths))
        first = Flatten(len(shape) - 1) if len(shape) > 1 else Straight()
        layers = [
            Layer((Connection(synapse, first if index == 0 else Straight(), index),), self.activation)
            for index, synapse in enumerate(random_synapses(sizes, (self.weight_scale, self.bias_scale), key))
        ]
        return Model(tuple(layers))


class AbstractImageArchitecture(AbstractArchitecture):
    """How base models of one kind are made that need images: examples [height, width, colour], in their own order.

    Other base models are indifferent to the order of their inputs, and get them in a random one.
    """


def random_synapses(
    sizes: Sequence[tuple[int, int]], scales: tuple[float, float], key: PRNGKeyArray
) -> Iterator[Synapse]:
    """Synapses of these sizes (pre, post) with random weights and biases, of these scales.

    Both are normal, truncated at two standard deviations.
    """
    weight_scale, bias_scale = scales
    # One draw for all: compiling a restart stays cheap however deep the model is.
    noise = jr.truncated_normal(key, -2.0, 2.0, (sum(2 * pre * post + post for pre, post in sizes),))
    start = 0
    for pre, post in sizes:
        size = pre * post
        w, v, b = jnp.split(noise[start : start + 2 * size + post], [size, 2 * size])
        w, v = weight_scale * w.reshape(pre, post), weight_scale * v.reshape(pre, post)
        yield Synapse(w, bias_scale * b, v)
        start += 2 * size + post
