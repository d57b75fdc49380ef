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
    """What one synapse's units did on one batch: all that a local rule may see of the data.

    A row is an example or, where a wire cuts an example into places, one place of one example.
    """

    x: Float[Array, "row pre"]
    """What the synapse received."""
    z: Float[Array, "row post"]
    """The normalised sums plus biases of the units above."""
    y: Float[Array, "row post"]
    """The activations of the units above."""
