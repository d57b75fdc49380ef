import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


_FORWARD, _SWAPPED = ("NHWC", "HWIO", "NHWC"), ("NHWC", "HWOI", "NHWC")


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def correlate(
    values: Float[Array, "first second input"], weight: Float[Array, "width input output"], axis: int
) -> Float[Array, "first second output"]:
    """A cross-correlation along the first or the second axis, with zero padding.

    On a CPU XLA does not rearrange convolutions inside of a loop: one whose axes stand in another order than batch,
    space, channels and space, input, output there takes 5 to 30 times as long. JAX's own derivatives of a convolution
    are of that kind, so they are written here: what goes back to the values is a convolution in that order again, what
    goes back to the weights is a product for every row of the first axis.
    """
    if weight.shape[0] == 1:
        return values @ weight[0]
    return _convolve(values, weight, axis, _FORWARD)


@correlate.defjvp
def _(axis, primals, tangents):
    (values, weight), (d_values, d_weight) = primals, tangents
    out = correlate(values, weight, axis)
    if weight.shape[0] == 1:
        return out, d_values @ weight[0] + _product(values, d_weight[0])
    # The transpose of a convolution has the reversed kernel, with inputs and outputs swapped: reversed and swapped
    # here, it is what it should be there. The barrier keeps the compiler from seeing that two reversals are none.
    swapped = jax.lax.optimization_barrier(weight[::-1].swapaxes(1, 2))
    out_tangent = _convolve(d_values, swapped[::-1], axis, _SWAPPED)
    for index, tap in enumerate(d_weight):
        out_tangent += _product(_shifted(values, index - (weight.shape[0] - 1) // 2, axis), tap)
    return out, out_tangent


def _convolve(values: Array, kernel: Array, axis: int, numbers: tuple[str, str, str]) -> Array:
    margins = [(0, 0), (0, 0)]
    margins[axis] = ((kernel.shape[0] - 1) // 2, kernel.shape[0] // 2)
    return jax.lax.conv_general_dilated(
        values[None], jnp.expand_dims(kernel, 1 - axis), (1, 1), margins, dimension_numbers=numbers
    )[0]


def _shifted(values: Array, offset: int, axis: int) -> Array:
    """What stands `offset` places further along the axis, and zeros beyond its end."""
    if offset == 0:
        return values
    length = values.shape[axis]
    margins = [(0, 0)] * 3
    margins[axis] = (max(-offset, 0), max(offset, 0))
    start = max(offset, 0)
    return jax.lax.slice_in_dim(jnp.pad(values, margins), start, start + length, axis=axis)


def _product(values: Float[Array, "first second input"], weight: Float[Array, "input output"]) -> Array:
    """`values @ weight`, written so that the gradient in the weight is a product for every row, and then their sum: one
    over both axes takes twice as long."""
    return jnp.einsum("ubc,ucd->ubd", values, jnp.broadcast_to(weight, (values.shape[0], *weight.shape)))
