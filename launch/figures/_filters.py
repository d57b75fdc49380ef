import dataclasses
import math

import numpy as np

from ...errors import BadInput
from ...models import Convolutional
from ...tasks import load
from ..features._unsupervised_encoder import UnsupervisedEncoder
from ..records._run_folder import RunFolder
from ._plots import panels
from ._request import Drawing, FigureRequest
from ._snapshots import snapshots


_UNITS = 16
_MOMENTS = 4


def filters(request: FigureRequest) -> Drawing:
    """Draws the first layer's weights as images, for rules saved during meta-training; --values are meta-steps."""
    data_set = load(request.tasks[0], request.data_dir)
    if data_set.kind != "image":
        raise BadInput(f"{data_set.name} holds no images, so filters can't be drawn: name images by --tasks.")
    places = data_set.train_x.shape[1:]
    architecture = request.trained.architecture
    if isinstance(architecture, Convolutional):
        kernel = architecture.kernels[0]
        seen, units, shape = data_set.train_x, kernel.channels, (kernel.size, kernel.size, *places[2:])
        order = f"Each is a kernel that slides over images of {places[0]} x {places[1]}."
    else:
        seen, units, shape = data_set.train_x.reshape(len(data_set.train_x), -1), request.perceptron.widths[0], places
        order = "The rule saw the pixels in a random order; here they are in their original order."
    # After no inner steps every rule has the same weights, those of the random initialisation.
    moments = [("start", request.trained, 0)]
    if request.values or RunFolder(request.trained.folder).snapshots:
        for step, path in snapshots(request, _MOMENTS).items():
            kept = dataclasses.replace(request.trained, rule=request.trained.read(path))
            moments.append((f"meta-step {step}", kept, request.steps))
    else:  # As for a rule that comes with the package.
        moments.append(("meta-trained", request.trained, request.steps))
    rows, tiles = [], []
    for title, trained, steps in moments:
        encoder = UnsupervisedEncoder(trained, steps=steps, random_state=0).fit(seen)
        weights = encoder.coefs_[0][:, :_UNITS].T
        weights = weights / np.maximum(np.abs(weights).max(1, keepdims=True), 1e-12)
        rows += [
            {"rule": title, "unit": unit, **{f"weight_{pixel}": value for pixel, value in enumerate(each)}}
            for unit, each in enumerate(weights.tolist())
        ]
        tiles.append(_tiled(weights.reshape(-1, *shape)))
    figure, panes = panels(len(moments), 2.2, 2.6, columns=len(moments))
    figure.set_layout_engine("constrained", wspace=0.08)
    for axes, tile, (title, _, _) in zip(panes, tiles, moments):
        axes.imshow(tile if tile.ndim == 2 else (1 + tile) / 2, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set(title=title, xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    if len(shape) == 2:
        figure.colorbar(panes[0].images[0], ax=panes, label="weight / largest of the unit", shrink=0.8)
    scale = "the colours of a pixel show its three weights, grey is 0" if len(shape) == 3 else "white is 0"
    caption = (
        f"Weights from the {shape[0]} x {shape[1]} pixels of {data_set.name} to the first {min(_UNITS, units)} units "
        f"of the first layer of one base model: at its random initialisation, and after {request.steps} inner steps of "
        "rules saved during meta-training. Each unit's weights are divided by the largest of them; "
        f"{scale}. {order}"
    )
    return Drawing(figure, "Filters of the first layer", caption, rows)


def _tiled(images: np.ndarray) -> np.ndarray:
    """Returns one image with the given images in a square grid, a gap of one pixel between them."""
    columns = math.ceil(math.sqrt(len(images)))
    side = images.shape[1] + 1
    rows = math.ceil(len(images) / columns)
    # The gaps are blank: NaN has no colour in a colour map, and RGB images use white.
    canvas = np.full((rows * side - 1, columns * side - 1, *images.shape[3:]), np.nan if images.ndim == 3 else 1.0)
    for index, image in enumerate(images):
        top, left = side * (index // columns), side * (index % columns)
        canvas[top : top + side - 1, left : left + side - 1] = image
    return canvas
