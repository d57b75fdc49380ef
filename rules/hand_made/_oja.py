from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import Activity, Synapse
from .._synaptic_rule import AbstractSynapticRule
from ._unit_power import of_weights, unit_power


@final
class Oja(AbstractSynapticRule):
    """Oja's rule for a layer of linear units: their weights come to span the layer's principal subspace.

    Hebb's rule, less what the units already explain together (Oja, International Journal of Neural Systems 1989); for
    one unit it is the rule of Oja, Journal of Mathematical Biology 1982. The step is divided by one plus the mean
    squared output, so that no start diverges.
    """

    step_size: Float[Array, ""] | float = 0.3

    def change(self, synapse: Synapse, activity: Activity) -> Synapse:
        w, x = synapse.w, unit_power(activity.x)
        u = x @ w
        return of_weights(synapse, self.step_size * (x.T @ u - w @ (u.T @ u)) / (len(x) + (u**2).sum()))


@final
class Sanger(AbstractSynapticRule):
    """Sanger's rule, the generalised Hebbian algorithm: a layer's units become its principal components, in order.

    Hebb's rule, less what a unit and those before it already explain (Sanger, Neural Networks 1989). The step is
    divided as in `Oja`.
    """

    step_size: Float[Array, ""] | float = 0.1

    def change(self, synapse: Synapse, activity: Activity) -> Synapse:
        w, x = synapse.w, unit_power(activity.x)
        u = x @ w
        return of_weights(synapse, self.step_size * (x.T @ u - w @ jnp.triu(u.T @ u)) / (len(x) + (u**2).sum()))
