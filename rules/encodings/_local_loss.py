import abc
import math
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ...models import Activity, Synapse
from .._synaptic_rule import AbstractSynapticRule
from ..kernels._linear import Linear
from ..terms._change import bounded
from ..terms._site import standardise


class AbstractLayerLoss(eqx.Module):
    """A part of a layer's own loss, whose form is learned."""

    @abc.abstractmethod
    def __call__(self, sums: Float[Array, "row unit"], bias: Float[Array, " unit"]) -> Float[Array, ""]:
        """The sum of the units' losses. `sums` is what the synapse makes of its inputs, standardised over the rows."""


@final
class LossNetwork(eqx.Module):
    """A function of several numbers that returns one: a network of one hidden layer."""

    hidden: Linear
    output: Linear

    @classmethod
    def create(cls, inputs: int, hidden: int, key: PRNGKeyArray) -> "LossNetwork":
        """A function of so many numbers, with so many hidden units and random weights."""
        first, second = jr.split(key)
        return cls(Linear.create(inputs, hidden, first), Linear.create(hidden, 1, second))

    def __call__(self, values: Float[Array, "*any input"]) -> Float[Array, "*any"]:
        return self.output(jnp.tanh(self.hidden(values)))[..., 0]


@final
class UnitLoss(AbstractLayerLoss):
    """The mean over rows of a function of what a unit sums up, z, and of the mean and mean square of z over all units.

    Of standardised sums such a function is what projection pursuit and independent component analysis ask for.
    """

    network: LossNetwork

    def __call__(self, sums: Float[Array, "row unit"], bias: Float[Array, " unit"]) -> Float[Array, ""]:
        z = sums + bias
        common = jnp.stack([z.mean(1), (z**2).mean(1)], -1)[:, None]
        seen = jnp.concatenate([z[..., None], jnp.broadcast_to(common, (*z.shape, 2))], -1)
        return self.network(seen).sum(1).mean()


@final
class PairLoss(AbstractLayerLoss):
    """The mean over a unit's companions of a function of the correlation of the two over the rows.

    The function is the correlation's square, which drives units apart, and a learned one beside it.
    """

    network: LossNetwork

    def __call__(self, sums: Float[Array, "row unit"], bias: Float[Array, " unit"]) -> Float[Array, ""]:
        units = sums.shape[1]
        correlations = sums.T @ sums / len(sums)
        # Without the square some random losses make all units alike, and meta-training has nothing to go by.
        each = correlations**2 + self.network(correlations[..., None])
        return ((1 - jnp.eye(units)) * each).sum() / max(units - 1, 1)


@final
class LocalLoss(AbstractSynapticRule):
    """Each synapse descends a learned loss of its own layer; no signal goes from one layer to another.

    A step is `p - step_size * (decay * p + gradient)`, with the gradient of each receptive field bounded, and that of
    the biases. Feedback weights stay, nothing reads them.
    """

    losses: tuple[AbstractLayerLoss, ...]
    log_step_size: Float[Array, ""]
    decay: float = eqx.field(static=True, default=1.0)

    def loss(
        self, w: Float[Array, "pre post"], b: Float[Array, " post"], x: Float[Array, "row pre"]
    ) -> Float[Array, ""]:
        """The sum of all parts of the loss, for inputs x of a layer with weights w and biases b."""
        sums = standardise(x @ w)
        return sum((part(sums, b) for part in self.losses), jnp.zeros((), sums.dtype))

    def change(self, synapse: Synapse, activity: Activity) -> Synapse:
        w, b = jax.grad(self.loss, (0, 1))(synapse.w, synapse.b, activity.x)
        step = lambda p, change: -jnp.exp(self.log_step_size) * (self.decay * p + change)
        b = b * jax.lax.rsqrt(1.0 + (b**2).mean())
        return Synapse(step(synapse.w, bounded(w, 0.01)), step(synapse.b, b), jnp.zeros_like(synapse.v))


def local_loss(key: PRNGKeyArray, *, hidden: int = 16, step_size: float = 0.03) -> LocalLoss:
    """Begins as decorrelation beside random losses, each a network of one layer of `hidden` units."""
    unit, pair = jr.split(key)
    losses = UnitLoss(LossNetwork.create(3, hidden, unit)), PairLoss(LossNetwork.create(1, hidden, pair))
    return LocalLoss(losses, jnp.asarray(math.log(step_size)))
