from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import Activity, Synapse
from .._synaptic_rule import AbstractSynapticRule
from ._unit_power import of_weights, unit_power


@final
class KrotovHopfield(AbstractSynapticRule):
    """The competing hidden units of Krotov and Hopfield (arXiv 1806.10181), with their p = 2.

    The unit that an example drives most moves towards it, the one ranked `rank` away from it by `repulsion`; the
    change g (x - u w) is divided by its largest entry. A layer with fewer units than `rank` repels its last. In a
    stack of layers the paper's repulsion of 0.4 makes units alike, so the default is smaller.
    """

    step_size: Float[Array, ""] | float = 0.003
    repulsion: Float[Array, ""] | float = 0.1
    rank: int = eqx.field(static=True, default=2)

    def change(self, synapse: Synapse, activity: Activity) -> Synapse:
        w, x = synapse.w, unit_power(activity.x)
        u = x @ w
        units = u.shape[1]
        winner = ranked = jax.nn.one_hot(u.argmax(1), units)
        rest = u
        for _ in range(1, min(self.rank, units)):  # For a small rank several times as quick as sorting.
            rest = jnp.where(ranked > 0, -jnp.inf, rest)
            ranked = jax.nn.one_hot(rest.argmax(1), units)
        g = winner - self.repulsion * ranked
        change = x.T @ g - w * (g * u).sum(0)
        return of_weights(synapse, self.step_size * change / jnp.maximum(jnp.abs(change).max(), 1e-30))
