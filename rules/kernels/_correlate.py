import dataclasses
from typing import ClassVar, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._bilinear import AbstractBilinear


_ROWS = 2048


def correlate(
    values: Float[Array, "first second input"], weight: Float[Array, "width input output"], axis: int
) -> Float[Array, "first second output"]:
    """A cross-correlation along the first or the second axis, with zero padding."""
    return _Correlation(axis, weight.shape[0])(values, weight)


@final
@dataclasses.dataclass(frozen=True)
class _Correlation(AbstractBilinear):
    """The same, with derivatives of our own.

    On a CPU XLA does not rearrange convolutions inside of a loop: one whose axes stand in another order than those of
    `_convolve` takes 5 to 30 times as long. JAX's derivatives of a convolution are of that kind; those here are not.
    """

    axis: int
    width: int
    # Convolutions each with a kernel of its own are one convolution of groups, which takes twice as long.
    one_by_one: ClassVar[bool] = True

    def forward(self, values: Array, weight: Array, /) -> Array:
        return self._slide(values, weight, *self._margins)

    def to_left(self, gradient: Array, weight: Array, /) -> Array:
        before, after = self._margins
        return self._slide(gradient, weight[::-1].swapaxes(1, 2), after, before)

    def to_right(self, gradient: Array, values: Array, /) -> Array:
        """What goes back to the weight: gradients, as a kernel, slide over the values, whose channels are the batch.
        They do so a few thousand rows at a time, because both are put into another order first."""
        first, second, channels = values.shape
        groups = next(count for count in range(max(1, first * second // _ROWS), 0, -1) if first % count == 0)
        size, margins = first // groups, self._margins
        if self.axis == 0:
            values, margins = jnp.pad(values, (margins, (0, 0), (0, 0))), (0, 0)
            gradient = _rows(gradient)  # As `_slide` has it: in two shapes it would be computed twice.
        reach = values.shape[0] - first

        def add(total: Array, start: Array) -> tuple[Array, None]:
            mine = jax.lax.dynamic_slice_in_dim(values, start, size + reach).transpose(2, self.axis, 1 - self.axis)
            if self.axis == 0:
                kernel = jax.lax.dynamic_slice_in_dim(gradient, start * second, size * second, 1)
                kernel = kernel.reshape(size, second, -1)
            else:
                kernel = jax.lax.dynamic_slice_in_dim(gradient, start, size).swapaxes(0, 1)
            return total + _convolve(mine, kernel, margins), None

        none = jnp.zeros((channels, self.width, gradient.shape[-1]), gradient.dtype)
        # Some at once: to put one into order is work for one thread, and its convolution keeps two busy in part only.
        return jax.lax.scan(add, none, jnp.arange(groups) * size, unroll=8)[0].swapaxes(0, 1)

    @property
    def _margins(self) -> tuple[int, int]:
        return (self.width - 1) // 2, self.width // 2

    def _slide(self, values: Array, kernel: Array, before: int, after: int) -> Array:
        """Of one dimension along either axis: on a CPU XLA runs a convolution of two on a single thread. Along the
        first axis it is one over a sequence of all rows, in which neighbours stand a whole second axis apart."""
        if self.axis == 1:
            return _convolve(values, kernel, (before, after))
        first, second, _ = values.shape
        out = _convolve(_rows(values), kernel, (before * second, after * second), second)
        return out.reshape(first, second, -1)


def _rows(values: Float[Array, "first second channel"]) -> Float[Array, "1 row channel"]:
    return values.reshape(1, -1, values.shape[2])


def _convolve(
    values: Float[Array, "batch space input"],
    kernel: Float[Array, "width input output"],
    margins: tuple[int, int],
    dilation: int = 1,
) -> Float[Array, "batch space_out output"]:
    return jax.lax.conv_general_dilated(
        values, kernel, (1,), (margins,), rhs_dilation=(dilation,), dimension_numbers=("NWC", "WIO", "NWC")
    )
