from ...meta import AbstractObjective, Cosine, Hinge, RidgeObjective, Squared
from ._names import choose, own


OBJECTIVES: dict[str, AbstractObjective] = {
    "cosine": RidgeObjective(Cosine()),
    "squared": RidgeObjective(Squared()),
    "hinge": RidgeObjective(Hinge()),
}
"""Ridge regression on the support set, whose predictions for the query set are scored in one of three ways."""


def objective(name: str) -> AbstractObjective:
    """The objective of this name, or that of the user's own class `MODULE:CLASS`. Raises `BadInput` for another."""
    if ":" in name:
        return own(name, "objective", AbstractObjective)
    return choose(name, OBJECTIVES, "objective", "MODULE:CLASS")
