import math

import numpy as np

from ...tasks import BadInput, load
from .._plots import panels
from .._unsupervised_encoder import UnsupervisedEncoder
from ._asked import Asked
from ._drawing import Drawing


_UNITS = 16


def filters(asked: Asked) -> Drawing:
    """First-layer weights along the inner training, in the images' own order; --values are inner steps."""
    data_set = load(asked.tasks[0], asked.data_dir)
    if data_set.kind != "image" or data_set.train_x.ndim != 3:
        raise BadInput(f"{data_set.name} holds no grey images: filters are shown as images of its size.")
    side = data_set.train_x.shape[1]
    moments = asked.numbers((0, asked.steps // 10, asked.steps), 0)
    pixels = data_set.train_x.reshape(len(data_set.train_x), -1)
    rows, tiles = [], []
    for steps in moments:
        encoder = UnsupervisedEncoder(asked.use.path, steps=steps, random_state=0).fit(pixels)
        weights = encoder.coefs_[0][:, :_UNITS].T
        weights = weights / np.maximum(np.abs(weights).max(1, keepdims=True), 1e-12)
        rows += [
            {"steps": steps, "unit": unit, **{f"weight_{place}": value for place, value in enumerate(each)}}
            for unit, each in enumerate(weights.tolist())
        ]
        tiles.append(_tiled(weights.reshape(-1, side, side)))
    figure, panes = panels(len(moments), 3.0, 3.3)
    figure.set_layout_engine("constrained", wspace=0.08)
    for axes, tile, steps in zip(panes, tiles, moments):
        axes.imshow(tile, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set(title=f"{steps} inner steps", xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    figure.colorbar(panes[0].images[0], ax=panes, label="weight / largest of the unit", shrink=0.8)
    units = min(_UNITS, asked.use.architecture.widths[0])
    caption = (
        f"Weights from the {side} x {side} pixels of {data_set.name} to the first {units} units of the first "
        "layer, at the start and after inner steps of the rule, of one base model. Each unit's weights are divided by "
        "the largest of them. The rule saw the pixels in a random order; here they are in their own."
    )
    return Drawing(figure, "Filters of the first layer", caption, rows)


def _tiled(images: np.ndarray) -> np.ndarray:
    """Images side by side in rows, with a gap between them."""
    columns = math.ceil(math.sqrt(len(images)))
    side = images.shape[1] + 1
    canvas = np.full((math.ceil(len(images) / columns) * side - 1, columns * side - 1), np.nan)
    for index, image in enumerate(images):
        top, left = side * (index // columns), side * (index % columns)
        canvas[top : top + side - 1, left : left + side - 1] = image
    return canvas
