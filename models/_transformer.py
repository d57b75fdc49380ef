from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from ..errors import BadInput
from ._architecture import AbstractImageArchitecture, random_synapses
from ._convolutional import check_grid, Kernel
from ._layer import Connection, Layer
from ._mixing import Mixing
from ._model import Model
from ._patches import Patches, Pool
from ._wire import AbstractWire, Straight


@final
class Transformer(AbstractImageArchitecture):
    """A transformer on the patches of images (arXiv 2010.11929), normalised per unit over examples and tokens.

    `patch` is the window that tokens are cut by and the units of each. A block is attention and a perceptron with a
    hidden layer of twice as many units, both added to what they receive. There is no encoding of positions: the last
    tokens are averaged over the cells of a grid. Raises `BadInput` where the heads don't divide the units, for sizes
    below 1, and when called, for images that are smaller than a patch.
    """

    patch: Kernel = eqx.field(static=True)
    heads: int = eqx.field(static=True, default=1)
    blocks: int = eqx.field(static=True, default=1)
    grid: int = eqx.field(static=True, default=2)
    """Cells along a side: 2 for quadrants."""
    activation: Callable[[Array], Array] = eqx.field(static=True, default=jax.nn.relu)
    weight_scale: float = eqx.field(static=True, default=0.01)
    bias_scale: float = eqx.field(static=True, default=0.1)

    def __check_init__(self):
        if min(*self.patch, self.heads, self.blocks, self.grid) < 1 or self.patch.channels % self.heads:
            raise BadInput(
                "A transformer needs sizes of 1 or more and heads that divide its units; got "
                f"{self.patch.channels} units, {self.heads} heads, {self.blocks} blocks and a grid of {self.grid}."
            )

    @property
    def features(self) -> int:
        return self.grid**2 * self.patch.channels

    def __call__(self, shape: tuple[int, ...], key: PRNGKeyArray) -> Model:
        if len(shape) != 3:
            raise BadInput(
                f"A transformer needs images [height, width, colour], not examples of shape {list(shape)}: give "
                "images, or name a network of layer widths, such as 64-64-32."
            )
        units = self.patch.channels
        block = [(units, units)] * 4 + [(units, 2 * units), (2 * units, units)]
        sizes = [(self.patch.size**2 * shape[-1], units), *block * self.blocks]
        synapses = random_synapses(sizes, (self.weight_scale, self.bias_scale), key)

        def layer(source: int, wire: AbstractWire, nonlinear: bool = False, skip: int | None = None) -> Layer:
            activation = self.activation if nonlinear else _as_it_is
            return Layer((Connection(next(synapses), wire, source),), activation, skip=skip)

        layers = [layer(0, Patches(self.patch.size, self.patch.stride))]
        for _ in range(self.blocks):
            tokens = len(layers)  # Populations are counted from the inputs, 0: it is the number of the last one.
            queries, keys, values, mixed, hidden = range(tokens + 1, tokens + 6)
            layers += [layer(tokens, Straight()) for _ in (queries, keys, values)]
            layers.append(layer(values, Mixing(queries, keys, self.heads), skip=tokens))
            layers.append(layer(mixed, Straight(), nonlinear=True))
            layers.append(layer(hidden, Straight(), skip=mixed))
        model = Model(tuple(layers), Pool(self.grid))
        check_grid(model, shape, self.grid)
        return model


def _as_it_is(z: Array) -> Array:
    return jnp.asarray(z)
