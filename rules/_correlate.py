import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._linear import product


_FORWARD, _SWAPPED = ("NWC", "WIO", "NWC"), ("NWC", "WOI", "NWC")
_ROWS = 2048


def correlate(
    values: Float[Array, "first second input"], weight: Float[Array, "width input output"], axis: int
) -> Float[Array, "first second output"]:
    """A cross-correlation along the first or the second axis, with zero padding."""
    return product(values, weight[0]) if weight.shape[0] == 1 else _wide(values, weight, axis)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _wide(values: Array, weight: Array, axis: int) -> Array:
    """The same for more than one tap, with derivatives of our own.

    On a CPU XLA does not rearrange convolutions inside of a loop: one whose axes stand in another order than batch,
    space, channels and space, input, output there takes 5 to 30 times as long. JAX's own derivatives of a convolution
    are of that kind, so they are written here: what goes back to the values is a convolution in that order again, what
    goes back to the weights is one product for every few thousand rows.
    """
    return _convolve(values, weight, axis, _FORWARD)


@_wide.defjvp
def _(axis, primals, tangents):
    (values, weight), (d_values, d_weight) = primals, tangents
    out = _wide(values, weight, axis)
    # The transpose of a convolution has the reversed kernel, with inputs and outputs swapped: reversed and swapped
    # here, it is what it should be there. The barrier keeps the compiler from seeing that two reversals are none.
    swapped = jax.lax.optimization_barrier(weight[::-1].swapaxes(1, 2))
    return out, _convolve(d_values, swapped[::-1], axis, _SWAPPED) + _by_weight(values, d_weight, axis)


def _convolve(values: Array, kernel: Array, axis: int, numbers: tuple[str, str, str]) -> Array:
    """Of one dimension along either axis: on a CPU XLA runs a convolution of two on a single thread. Along the first
    axis it is one over a sequence of all rows, in which neighbours stand a whole second axis apart."""
    first, second, channels = values.shape
    before, after = (kernel.shape[0] - 1) // 2, kernel.shape[0] // 2
    if axis == 1:
        return jax.lax.conv_general_dilated(values, kernel, (1,), ((before, after),), dimension_numbers=numbers)
    rows, margin = values.reshape(1, first * second, channels), (before * second, after * second)
    out = jax.lax.conv_general_dilated(rows, kernel, (1,), (margin,), rhs_dilation=(second,), dimension_numbers=numbers)
    return out.reshape(first, second, -1)


def _by_weight(values: Array, weight: Array, axis: int) -> Array:
    """The same correlation for some thousand rows at a time, each a product of every element and its neighbours: the
    gradient in the weight is then a sum of such products, and three times the values are never there at once."""
    width, channels, outputs = weight.shape
    first, second = values.shape[:2]
    margins = [(0, 0)] * 3
    margins[axis] = ((width - 1) // 2, width // 2)
    padded = jnp.pad(values, margins)
    flat = weight.reshape(width * channels, outputs)
    groups = next(count for count in range(max(1, first * second // _ROWS), 0, -1) if first % count == 0)
    size = first // groups
    length = size if axis == 0 else second

    def group(_: None, index: Array) -> tuple[None, Array]:
        mine = jax.lax.dynamic_slice_in_dim(padded, index * size, size + padded.shape[0] - first)
        taps = [jax.lax.slice_in_dim(mine, start, start + length, axis=axis) for start in range(width)]
        return None, jnp.concatenate(taps, -1) @ flat

    _, out = jax.lax.scan(jax.checkpoint(group, prevent_cse=False), None, jnp.arange(groups))
    return out.reshape(first, second, outputs)
