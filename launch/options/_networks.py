import itertools
import re
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...errors import BadInput
from ...models import AbstractArchitecture, Convolutional, Kernel, MultiLayerPerceptron, Transformer


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

_MOST_LAYERS = 256
_MOST_WEIGHTS = 2**27  # Half a gibibyte, of which a base model has two matrices and each seed of a table its own.

_N = "([1-9][0-9]{0,4})"  # Longer ones can't be meant.
_KERNEL = re.compile(f"{_N}x{_N}(?:s{_N})?x{_N}")
_TRANSFORMER = re.compile(f"attention{_N}x{_N}(?:s{_N})?x{_N}h{_N}(?:b{_N})?")
_OF_IMAGES = ("conv", "attention")
_GRID = re.compile(f"grid{_N}")


def network(text: str, activation: str, weight_scale: float) -> AbstractArchitecture:
    """The base model's architecture from what a person types.

    Text such as `64-64-32` is a perceptron of these widths, features last. `conv5x5s2x32-3x3s2x64-quadrants` is 32
    kernels of 5 x 5 with stride 2, then 64 of 3 x 3 with stride 2, whose activations are averaged over quadrants.
    `attention4x4s2x32h2b1-quadrants` is a transformer of 1 block with 2 heads, whose tokens are patches of 4 x 4 with
    stride 2, of 32 units each. Raises `BadInput` for other text and for an unknown activation.
    """
    if activation not in ACTIVATIONS:
        raise BadInput(f"Unknown activation {activation!r}; the known ones are {', '.join(ACTIVATIONS)}.")
    if text.startswith("conv"):
        kernels, grid = _parse_convolutions(text)
        return Convolutional(kernels, grid, ACTIVATIONS[activation], weight_scale)
    if text.startswith("attention"):
        patch, (heads, blocks), grid = _parse_transformer(text)
        return Transformer(patch, heads, blocks, grid, ACTIVATIONS[activation], weight_scale)
    return MultiLayerPerceptron(_parse_widths(text), ACTIVATIONS[activation], weight_scale)


def first_of_each_kind(texts: Sequence[str]) -> dict[str, str]:
    """What a rule file keeps of networks that took turns: the first perceptron, and the first network of images.

    The latter is the one for images, `image_network`; where there are no others, it is the `network` for all examples.
    """
    of_images = [text for text in texts if text.startswith(_OF_IMAGES)]
    of_rows = [text for text in texts if text not in of_images]
    if not of_rows or not of_images:
        return {"network": texts[0]}
    return {"network": of_rows[0], "image_network": of_images[0]}


def _parse_widths(text: str) -> tuple[int, ...]:
    parts = text.split("-")
    if not all(part.isascii() and part.isdecimal() and part.strip("0") for part in parts):
        raise BadInput(
            "A network is written as its layer widths, like 64-64-32, as convolutions, like "
            "conv5x5s2x32-3x3s2x64-quadrants, or as a transformer, like attention4x4s2x32h2-quadrants; got "
            f"{text[:60]!r}."
        )
    if len(parts) > _MOST_LAYERS or max(len(part.lstrip("0")) for part in parts) > 5:
        raise BadInput(f"A network has at most {_MOST_LAYERS} layers of at most 99,999 units; got {text[:60]!r}.")
    widths = tuple(int(part) for part in parts)
    _check_size(text, len(widths), sum(pre * post for pre, post in itertools.pairwise(widths)))
    return widths


def _check_size(text: str, layers: int, weights: int) -> None:
    if layers > _MOST_LAYERS or weights > _MOST_WEIGHTS:
        raise BadInput(
            f"A network has at most {_MOST_LAYERS} layers and {_MOST_WEIGHTS:,} weights between them; {text[:60]} has "
            f"{layers:,} and {weights:,}."
        )


def _parse_convolutions(text: str) -> tuple[tuple[Kernel, ...], int]:
    *parts, last = text.removeprefix("conv").split("-")
    if _KERNEL.fullmatch(last):
        parts, last = [*parts, last], ""
    found = [_KERNEL.fullmatch(part) for part in parts]
    if not parts or not all(each and each[1] == each[2] for each in found):
        raise BadInput(
            "The convolutions of a network are written as SIZExSIZE, sSTRIDE if it is not 1, and xCHANNELS, with how "
            f"they are pooled at the end, like conv5x5s2x32-3x3s2x64-quadrants; got {text[:60]!r}."
        )
    kernels = tuple(Kernel(int(each[1]), int(each[3] or 1), int(each[4])) for each in found if each)
    between = [pre.channels * post.size**2 * post.channels for pre, post in itertools.pairwise(kernels)]
    _check_size(text, len(kernels), kernels[0].size ** 2 * kernels[0].channels + sum(between))
    return kernels, _parse_grid(last, "-".join(["conv" + parts[0], *parts[1:]]))


def _parse_transformer(text: str) -> tuple[Kernel, tuple[int, int], int]:
    part, _, last = text.partition("-")
    found = _TRANSFORMER.fullmatch(part)
    if found is None or found[1] != found[2]:
        raise BadInput(
            "A transformer is written as attention, its patches SIZExSIZE, sSTRIDE if it is not 1, xUNITS, hHEADS and "
            "bBLOCKS if there are several, and how it is pooled, like attention4x4s2x32h2-quadrants; got "
            f"{text[:60]!r}."
        )
    patch = Kernel(int(found[1]), int(found[3] or 1), int(found[4]))
    heads, blocks = int(found[5]), int(found[6] or 1)
    _check_size(text, blocks, patch.size**2 * patch.channels + blocks * patch.channels**2)
    return patch, (heads, blocks), _parse_grid(last, part)


def _parse_grid(text: str, rest: str) -> int:
    grid = _GRID.fullmatch(text)
    if grid is None and text not in GRIDS:
        raise BadInput(
            f"Such a network ends with how it is pooled, {', '.join(GRIDS)} or gridN: write {rest[:60]}-quadrants; got "
            f"{'-'.join(part for part in (rest, text) if part)[:60]!r}."
        )
    return GRIDS[text] if grid is None else int(grid[1])
