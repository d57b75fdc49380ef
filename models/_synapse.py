import equinox as eqx
from jaxtyping import Array, Float


class Synapse(eqx.Module):
    """The weights between two populations of units, and the feedback weights that travel with them.

    `v` carries error signals from `post` back to `pre`. It has the orientation of `w` but is a matrix of its own,
    as in feedback alignment (arXiv 1411.0247) and in the released form of arXiv 1804.00222.
    """

    w: Float[Array, "pre post"]
    b: Float[Array, " post"]
    v: Float[Array, "pre post"]


class Activity(eqx.Module):
    """What one synapse's units did on one batch: all that a local rule may see of the data."""

    x: Float[Array, "batch pre"]
    z: Float[Array, "batch post"]
    y: Float[Array, "batch post"]
