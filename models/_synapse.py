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

    def descend(self, signal: Float[Array, "_ _ _"], axis: int = -1) -> Float[Array, "_ _ _"]:
        """Carries an error signal from `post` to `pre`, units along the last axis or the first (0): as a product of
        two matrices, because XLA's CPU compiler takes up to twice as long for the gradient of one over three axes."""
        if axis == 0:
            return (self.v @ signal.reshape(len(signal), -1)).reshape(-1, *signal.shape[1:])
        return (signal.reshape(-1, signal.shape[-1]) @ self.v.T).reshape(*signal.shape[:-1], -1)


class Activity(eqx.Module):
    """What one synapse's units did on one batch: all that a local rule may see of the data."""

    x: Float[Array, "batch pre"]
    z: Float[Array, "batch post"]
    y: Float[Array, "batch post"]
