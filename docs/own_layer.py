"""A layer of one's own: convolutions for any rule. Run: python own_layer.py, in this folder."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from metarule import BadInput, pretrained
from metarule.meta import InnerLoop, Length, RidgeObjective
from metarule.models import AbstractArchitecture, AbstractWire, Connection, Flatten, Layer, Model, Synapse
from metarule.tasks import embedded, ImageTasks, join


@final
class Patches(AbstractWire):
    """The values in a window that slides over an image, in a row for each place: a synapse behind is a convolution."""

    size: int = eqx.field(static=True, default=3)
    stride: int = eqx.field(static=True, default=1)

    def side(self, below):
        """Places along a side of the image, for so many below."""
        return (below - self.size) // self.stride + 1

    def context(self, values):
        return None

    def up(self, values, context):
        offsets = [(i, j) for i in range(self.size) for j in range(self.size)]
        *_, height, width, _ = values.shape
        rows, columns = (self.stride * (self.side(each) - 1) + 1 for each in (height, width))
        of = lambda i, j: values[..., i : i + rows : self.stride, j : j + columns : self.stride, :]
        return jnp.concatenate([of(i, j) for i, j in offsets], -1)

    def fold(self, weights, units):
        by_place = weights.reshape(self.size**2, units, -1)
        return by_place.swapaxes(0, 1).reshape(units, -1)


@final
class Convolutional(AbstractArchitecture):
    """Convolutions one after another, then a fully connected layer, for images of shape (side, side, channels)."""

    channels: tuple[int, ...] = eqx.field(static=True, default=(8, 16))
    features: int = eqx.field(static=True, default=32)
    wire: Patches = Patches(3, 2)

    def __call__(self, shape, key):
        side, _, units = shape
        layers = []
        for index, channels in enumerate(self.channels):
            side = self.wire.side(side)
            if side < 1:
                raise BadInput(f"Images of {shape[0]} pixels are too small for {len(self.channels)} convolutions.")
            synapse = self._synapse(self.wire.size**2 * units, channels, jr.fold_in(key, index))
            layers.append(Layer((Connection(synapse, self.wire, index),), jax.nn.relu))
            units = channels
        synapse = self._synapse(side**2 * units, self.features, jr.fold_in(key, len(layers)))
        layers.append(Layer((Connection(synapse, Flatten(2), len(layers)),), jax.nn.relu))
        return Model(tuple(layers))

    def _synapse(self, pre, post, key):
        w, v = jr.normal(key, (2, pre, post)) / pre**0.5
        return Synapse(w, jnp.zeros(post), v)


def losses(rule, steps):
    """Losses of a few-shot readout along the training of a convolutional model, on glyphs in their own order."""
    tasks = ImageTasks(join(embedded(12).validation), ways=5, permuted=False)
    problem = InnerLoop(tasks, Convolutional(), RidgeObjective(), Length(steps))
    state = problem.init(rule, jr.key(0))
    step = lambda state, key: problem.step(rule, state, key)
    return jax.jit(lambda: jax.lax.scan(step, state, jr.split(jr.key(1), steps))[1])()


if __name__ == "__main__":
    along = losses(pretrained(), 100)  # A rule that was meta-trained on perceptrons.
    print(f"loss in the first ten steps {along[:10].mean():.4f}, in the last ten {along[-10:].mean():.4f}")
