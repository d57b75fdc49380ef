from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import Activity, Synapse
from .._synaptic_rule import AbstractSynapticRule
from ._unit_power import of_weights, unit_power


@final
class SoftHebb(AbstractSynapticRule):
    """SoftHebb: units compete softly for an example; the winner moves towards it and the others away from it.

    As in arXiv 2209.11883: y = softmax(sharpness * u), with a minus for all but the winner; the change y (x - u w) is
    divided by its largest entry, and a unit's step size is in proportion to sqrt(| |w| - 1 |): begin with weights of
    another length than one. With a low sharpness the losers, moved away, outweigh the winner.
    """

    step_size: Float[Array, ""] | float = 0.003
    sharpness: Float[Array, ""] | float = 100.0

    def change(self, synapse: Synapse, activity: Activity) -> Synapse:
        w, x = synapse.w, unit_power(activity.x)
        u = x @ w
        y = jax.nn.softmax(self.sharpness * u)
        y = jnp.where(jax.nn.one_hot(u.argmax(1), u.shape[1]) > 0, y, -y)
        change = x.T @ y - w * (y * u).sum(0)
        rate = jnp.sqrt(jnp.abs(jnp.sqrt((w**2).sum(0)) - 1))
        return of_weights(synapse, self.step_size * rate * change / jnp.maximum(jnp.abs(change).max(), 1e-30))
