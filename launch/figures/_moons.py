from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from ..features._unsupervised_encoder import UnsupervisedEncoder
from ._plots import COLOURS, MARKERS, panels
from ._request import Drawing, FigureRequest


def moons(request: FigureRequest) -> Drawing:
    """Draws a few-shot readout's decisions on scikit-learn's two moons, and the features; --values are inner steps."""
    from sklearn.datasets import make_moons
    from sklearn.decomposition import PCA
    from sklearn.linear_model import RidgeClassifier

    points, labels = map(np.asarray, make_moons(1000, noise=0.1, random_state=0))
    fresh, answers = map(np.asarray, make_moons(1000, noise=0.1, random_state=1))
    chosen = np.concatenate([np.flatnonzero(labels == label)[: request.labels] for label in (0, 1)])
    raw = float(RidgeClassifier().fit(points[chosen], labels[chosen]).score(fresh, answers))
    moments = request.numbers((0, request.steps), 0)
    figure, panes = panels(2 * len(moments), 3.6, 3.4)
    rows = []
    for steps, left, right in zip(moments, panes[::2], panes[1::2]):
        encoder = UnsupervisedEncoder(request.trained, steps=steps, random_state=0).fit(points)
        features = encoder.transform(points)
        readout = RidgeClassifier().fit(features[chosen], labels[chosen])
        accuracy = float(readout.score(encoder.transform(fresh), answers))
        _decision(left, lambda grid: np.asarray(readout.predict(encoder.transform(grid))))
        _scatter(left, points, labels)
        left.scatter(*points[chosen].T, s=36, facecolors="none", edgecolors="black", linewidths=1.2, label="labelled")
        left.set(xlabel="first input", ylabel="second input", title=f"{steps} inner steps: {100 * accuracy:.0f} %")
        components = PCA(2).fit_transform(features)
        _scatter(right, components, labels)
        right.set(xlabel="first principal component", ylabel="second", title=f"features after {steps} steps")
        for point, component, label in zip(points.tolist(), components.tolist(), labels.tolist()):
            rows.append(
                {"steps": steps, "label": label, "input_1": point[0], "input_2": point[1]}
                | {"component_1": component[0], "component_2": component[1], "accuracy": accuracy}
            )
    panes[0].legend(frameon=False, fontsize=8, loc="lower left")
    caption = (
        "Two moons, 1,000 unlabelled points. First of each pair: the decision of ridge regression on the features from "
        f"{request.labels} labels per moon (circled), and its accuracy on 1,000 new points; from the two inputs "
        f"themselves it is {100 * raw:.0f} %{_compared(rows, raw)}. Second: the features, along their first two "
        "principal components. One base model, one seed."
    )
    return Drawing(figure, "Two moons", caption, rows)


def _compared(rows: list[dict[str, Any]], raw: float) -> str:
    """Whether the rule helped, in words: the figure alone doesn't say so."""
    points = 100 * (rows[-1]["accuracy"] - raw)
    if abs(points) < 0.5:
        return ", as much as after the last step"
    side = "above" if points > 0 else "below"
    return f": after {rows[-1]['steps']} steps the rule is {abs(points):.0f} points {side}"


def _scatter(axes: Axes, points: Float[np.ndarray, "point 2"], labels: Int[np.ndarray, " point"]) -> None:
    for label in (0, 1):
        own = points[labels == label]
        marker, colour = MARKERS[label], COLOURS[label]
        axes.scatter(*own.T, s=5, marker=marker, color=colour, linewidths=0, label=f"moon {label + 1}")


def _decision(axes: Axes, predict: Callable[[Float[np.ndarray, "point 2"]], Int[np.ndarray, " point"]]) -> None:
    x, y = np.meshgrid(np.linspace(-1.6, 2.6, 120), np.linspace(-1.1, 1.6, 120))
    side = predict(np.stack([x.ravel(), y.ravel()], 1)).reshape(x.shape)
    axes.pcolormesh(x, y, side, cmap=ListedColormap(COLOURS[:2]), alpha=0.2, shading="nearest", rasterized=True)
