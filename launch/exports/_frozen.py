import dataclasses
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from jaxtyping import Num

from ...errors import BadInput
from ...models import Convolutional, FINE, mirror_image, MultiLayerPerceptron, PatchComponents, Views, WordWeights
from ..features._unsupervised_encoder import UnsupervisedEncoder
from ..options._networks import network


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Frozen:
    """A fitted encoder as arrays and the few facts that say what is done with them: all that another form of it needs.

    Arrays are of float32, but for those that prepare rows, of float64, and places, of int64. `columns` are the names of
    the numbers that a row holds, `shape` that of an example as the network sees it, or of the image that it is.
    `kernels` are (size, stride) of each convolution; there are none where all layers are fully connected. `window` is
    (size, stride) of the patches whose components stand for an image beside the features. An array `mirror` is there if
    images get the mean of what they and their mirror images have.
    """

    arrays: dict[str, Num[np.ndarray, "..."]]
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    activation: str
    kernels: tuple[tuple[int, int], ...]
    window: tuple[int, int] | None
    layers: int
    limit: float
    """Deviations at which an input is cut off."""
    features: int

    @staticmethod
    def of(encoder: UnsupervisedEncoder) -> "Frozen":
        """The arrays of a fitted encoder. Raises `BadInput` for a base model with attention."""
        text, activation, shape = encoder.network_, encoder.activation_, encoder.shape_
        architecture = network(text, activation, 1.0)
        if not isinstance(architecture, MultiLayerPerceptron | Convolutional):
            raise BadInput(f"Networks of layer widths and convolutions can be exported; {text} has attention.")
        prepared = encoder.preparation_
        arrays: dict[str, Any] = {
            "median": prepared.median,
            "flagged": prepared.flagged,
            "offset": prepared.scaling.offset,
            "unit": prepared.scaling.unit,
        }
        arrays = {name: array.astype(np.int64 if name == "flagged" else np.float64) for name, array in arrays.items()}
        layers = [] if encoder.form_.categories else list(zip(encoder.coefs_, encoder.intercepts_))
        for index, (weights, bias) in enumerate(layers):
            arrays |= {f"w{index}": weights, f"b{index}": bias}
        arrays |= _of_views(encoder.views_)
        kernels = []
        if isinstance(architecture, Convolutional):
            kernels = [(kernel.size, kernel.stride) for kernel in architecture.kernels]
            arrays |= _of_grid(shape, kernels, architecture.grid, "rows", "columns")
        views, window = encoder.views_, None
        if views is not None and isinstance(seen := views.seen, PatchComponents):
            shape, window = seen.shape, (seen.window.size, seen.window.stride)
            arrays |= _of_grid(shape, [window], seen.window.grid, "patch_rows", "patch_columns")
            if views.detail is not None:
                arrays |= _of_grid(shape, [window], FINE, "detail_rows", "detail_columns")
            if seen.mirrored:
                arrays |= {"mirror": mirror_image(shape)}
        return Frozen(
            arrays,
            prepared.names[: len(prepared.median)],
            shape,
            activation,
            tuple(kernels),
            window,
            len(layers),
            float(prepared.scaling.limit),
            len(encoder.get_feature_names_out()),
        )

    @property
    def sentence(self) -> str:
        """What goes in, and what comes out."""
        if self.kernels:
            rows = f"images of {' x '.join(map(str, self.shape))}, pixel by pixel (row, column, colour)"
        else:
            shown = ", ".join(self.columns[:10])
            rows = f"{len(self.columns)} numbers ({shown}{', ...' if len(self.columns) > 10 else ''})"
        return f"Rows of {rows}, NaN where one is missing, become {self.features} features."


def _of_grid(
    shape: tuple[int, ...], kernels: Sequence[tuple[int, int]], grid: int, *names: str
) -> dict[str, np.ndarray]:
    """The weights [cell, place], under these names, by which rows and columns are averaged behind the kernels."""
    sides = list(shape[:2])
    for size, stride in kernels:
        sides = [(side - size) // stride + 1 for side in sides]
    return {name: _means(side, grid) for name, side in zip(names, sides)}


def _means(side: int, grid: int) -> np.ndarray:
    cells = np.array_split(np.arange(side), grid)
    return np.stack([np.isin(np.arange(side), cell) / max(len(cell), 1) for cell in cells]).astype(np.float32)


def _of_views(views: Views | None) -> dict[str, np.ndarray]:
    if views is None:
        return {}
    found = {"centre": views.offset, "scale": views.scale}
    if isinstance(views.seen, PatchComponents):
        found |= {"patch_mean": views.seen.components.mean, "patch_axes": views.seen.components.axes}
        if views.seen.contrast is not None:
            found |= {"patch_contrast": views.seen.contrast}
    if isinstance(views.seen, WordWeights):
        found |= {"rarity": views.seen.rarity}
    if views.skip is not None:
        found |= {"skip_mean": views.skip.mean, "skip_axes": views.skip.axes}
    if views.detail is not None:
        found |= {"detail_mean": views.detail.mean, "detail_axes": views.detail.axes}
    if views.prototypes is not None:
        keys, own = views.prototypes.keys, views.prototypes
        found |= {"near_mean": keys.mean, "near_axes": keys.axes, "centroids": own.centroids}
        found |= {"near_offset": own.offset, "near_scale": own.scale}
        found |= {"near_softening": own.softening}
    if views.recall is not None:
        keys, memory = views.recall.keys, views.recall.memory
        found |= {"key_mean": keys.mean, "key_axes": keys.axes, "anchors": memory.anchors, "values": memory.values}
        found |= {"nearest": np.array(memory.neighbours)}
    return {name: np.asarray(array) for name, array in found.items()}
