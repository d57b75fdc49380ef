from collections.abc import Callable
from typing import final, NamedTuple

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import BadInput
from ._architecture import AbstractImageArchitecture, random_synapses
from ._layer import Connection, Layer
from ._model import Model
from ._patches import Patches, Pool, random_crops
from .views import Window


class Kernel(NamedTuple):
    """The kernels of one convolution: the side of each in pixels, its stride, and how many there are."""

    size: int
    stride: int
    channels: int


@final
class Convolutional(AbstractImageArchitecture):
    """Convolutions without padding, one after another, whose last channels are averaged over the cells of a grid.

    Batch normalisation is per channel, over examples and places. Initial weights are those of the perceptron. Raises
    `BadInput` if there is no kernel or one has no size, and when called, for images that are smaller than a kernel.
    """

    kernels: tuple[Kernel, ...] = eqx.field(static=True)
    grid: int = eqx.field(static=True, default=2)
    """Cells along a side: 2 for quadrants."""
    activation: Callable[[Array], Array] = eqx.field(static=True, default=jax.nn.relu)
    weight_scale: float = eqx.field(static=True, default=0.01)
    bias_scale: float = eqx.field(static=True, default=0.1)

    def __check_init__(self):
        if not self.kernels or min(min(kernel) for kernel in self.kernels) < 1 or self.grid < 1:
            raise BadInput(
                "A convolutional network needs at least one kernel, whose size, stride and channels are 1 or more, and "
                f"a grid of 1 or more; got {self.kernels} and {self.grid}."
            )

    @property
    def features(self) -> int:
        return self.grid**2 * self.kernels[-1].channels

    @property
    def window(self) -> Window:
        """Where the first convolution takes its patches."""
        return Window(self.kernels[0].size, self.kernels[0].stride, self.grid)

    @property
    def field(self) -> int:
        """The side, in pixels, of the square that one place of the last convolution sees."""
        side = 1
        for kernel in reversed(self.kernels):
            side = (side - 1) * kernel.stride + kernel.size
        return side

    def __call__(self, shape: tuple[int, ...], key: PRNGKeyArray) -> Model:
        if len(shape) != 3:
            raise BadInput(
                f"A convolutional network needs images [height, width, colour], not examples of shape {list(shape)}: "
                "give images, or name a network of layer widths, such as 64-64-32."
            )
        model = Model(self._layers(shape[-1], key), Pool(self.grid), self.field)
        check_grid(model, shape, self.grid)
        return model

    def _layers(self, units: int, key: PRNGKeyArray) -> tuple[Layer, ...]:
        below = (units, *(kernel.channels for kernel in self.kernels))
        sizes = [(kernel.size**2 * pre, kernel.channels) for kernel, pre in zip(self.kernels, below)]
        synapses = random_synapses(sizes, (self.weight_scale, self.bias_scale), key)
        connections = [
            Connection(synapse, Patches(kernel.size, kernel.stride), index)
            for index, (kernel, synapse) in enumerate(zip(self.kernels, synapses))
        ]
        return tuple(Layer((connection,), self.activation) for connection in connections)


def check_grid(model: Model, shape: tuple[int, ...], grid: int) -> None:
    """Raises `BadInput` unless a model can be run on images of this shape, and its last places pooled in a grid."""
    last = jax.eval_shape(model.trace, jax.ShapeDtypeStruct((2, *shape), float)).values[-1]
    side = min(last.shape[1:3])
    if side < grid:
        raise BadInput(
            f"{side} places along a side can't be pooled in a grid of {grid}: take larger images, a coarser grid, or a "
            "network with smaller kernels or strides."
        )


def unlabelled(
    model: Model, draw: Callable[[PRNGKeyArray], Float[Array, " example *shape"]], key: PRNGKeyArray
) -> Float[Array, " example *seen"]:
    """Unlabelled examples that are drawn by a key, and of each all that a rule needs to see of it to train this model.

    Of an image for a convolutional model that is one crop as large as its `field`, at a random place. Of other examples
    it is everything.
    """
    if model.field is None:
        return draw(key)
    draw_key, crop_key = jr.split(key)
    return random_crops(draw(draw_key), model.field, crop_key)
