import numpy as np

from ...errors import BadInput
from ..options._ingredients import MONOMIALS, terms_of, weight_changes
from ._plots import bars, COLOURS, panels
from ._request import Drawing, FigureRequest


def terms(request: FigureRequest) -> Drawing:
    """Draws how much each term counts in a learned rule's weight change, beside the value that it began with."""
    found = weight_changes(request.trained.rule)
    if not found:
        raise BadInput("This rule has no terms that could be drawn: name another figure.")
    names = list(terms_of(request.trained.rule))
    coefficients = np.asarray(found[0].coefficients, float)
    order = np.argsort(-np.abs(coefficients))
    figure, (axes,) = panels(1, 6.0, 1.2 + 0.3 * len(names))
    bars(axes, [names[i] for i in order], coefficients[order].tolist(), [0.0] * len(names), color=COLOURS[0])
    begun = "at the start" if MONOMIALS.keys().isdisjoint(names) else "at the start (products of x, y and w: near 0)"
    axes.axvline(0.1, color="#555555", linestyle="--", linewidth=1.2, label=begun)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set(xlabel="coefficient of the term")
    axes.legend(frameon=False)
    caption = (
        "The learned coefficient of each term in the change of a weight. Every term's change is divided by its root "
        "mean square first, so that coefficients can be compared; a negative one turns the term round."
    )
    rows = [{"term": names[i], "coefficient": float(coefficients[i])} for i in order]
    return Drawing(figure, "What the rule weighs", caption, rows)
