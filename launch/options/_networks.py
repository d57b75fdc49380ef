import re

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...errors import BadInput
from ...models import AbstractArchitecture, Convolutional, Kernel, MultiLayerPerceptron


def step_function(z: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """One above zero, else zero; its derivative is zero everywhere."""
    return (z > 0).astype(z.dtype)


ACTIVATIONS = {
    "relu": jax.nn.relu,
    "leaky-relu": jax.nn.leaky_relu,
    "swish": jax.nn.swish,
    "tanh": jnp.tanh,
    "step": step_function,
}


GRIDS = {"mean": 1, "quadrants": 2}
"""How a convolutional network is pooled: cells along a side, by name. `gridN` has N."""

_KERNEL = re.compile(r"([1-9]\d*)x([1-9]\d*)(?:s([1-9]\d*))?x([1-9]\d*)")
_GRID = re.compile(r"grid([1-9]\d*)")


def network(text: str, activation: str, weight_scale: float) -> AbstractArchitecture:
    """The base model's architecture from what a person types.

    Text such as `64-64-32` is a perceptron of these widths, features last. `conv5x5s2x32-3x3s2x64-quadrants` is 32
    kernels of 5 x 5 with stride 2, then 64 of 3 x 3 with stride 2, whose activations are averaged over quadrants.
    Raises `BadInput` for other text and for an unknown activation.
    """
    if activation not in ACTIVATIONS:
        raise BadInput(f"Unknown activation {activation!r}; the known ones are {', '.join(ACTIVATIONS)}.")
    if text.startswith("conv"):
        kernels, grid = _parse_convolutions(text)
        return Convolutional(kernels, grid, ACTIVATIONS[activation], weight_scale)
    return MultiLayerPerceptron(_parse_widths(text), ACTIVATIONS[activation], weight_scale)


def _parse_widths(text: str) -> tuple[int, ...]:
    parts = text.split("-")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise BadInput(
            "A network is written as its layer widths, like 64-64-32, or as convolutions, like "
            f"conv5x5s2x32-3x3s2x64-quadrants; got {text!r}."
        )
    return tuple(int(part) for part in parts)


def _parse_convolutions(text: str) -> tuple[tuple[Kernel, ...], int]:
    *parts, last = text.removeprefix("conv").split("-")
    if _KERNEL.fullmatch(last):
        parts, last = [*parts, last], ""
    found = [_KERNEL.fullmatch(part) for part in parts]
    if not parts or not all(each and each[1] == each[2] for each in found):
        raise BadInput(
            "The convolutions of a network are written as SIZExSIZE, sSTRIDE if it is not 1, and xCHANNELS, with how "
            f"they are pooled at the end, like conv5x5s2x32-3x3s2x64-quadrants; got {text!r}."
        )
    grid = _GRID.fullmatch(last)
    if grid is None and last not in GRIDS:
        raise BadInput(
            f"A convolutional network ends with how it is pooled: {', '.join(GRIDS)} or gridN, such as grid3: "
            f"write {'-'.join(['conv' + parts[0], *parts[1:], 'quadrants'])} for {text!r}."
        )
    kernels = tuple(Kernel(int(each[1]), int(each[3] or 1), int(each[4])) for each in found if each)
    return kernels, GRIDS[last] if grid is None else int(grid[1])
