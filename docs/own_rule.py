"""A rule of one's own. Run: metarule train --rule own_rule:Plasticity, in this folder."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float
from metarule.models import Synapse
from metarule.rules import AbstractSynapticRule


@final
class Plasticity(AbstractSynapticRule):
    """Every weight changes by a weighted sum of local products; the four weights of the sum are meta-learned."""

    coefficients: Float[Array, "4"] = eqx.field(default_factory=lambda: jnp.zeros(4))
    """Of Hebb's product, of decay, of Oja's forgetting, and of what moves each unit's mean to a half."""
    step_size: float = eqx.field(static=True, default=0.1)

    def change(self, synapse, activity):
        hebb, decay, oja, bias = self.step_size * self.coefficients
        pre, post = activity.x - activity.x.mean(0), activity.y - activity.y.mean(0)
        w = hebb * pre.T @ post / len(pre) - decay * synapse.w - oja * synapse.w * (post**2).mean(0)
        return Synapse(w, bias * (0.5 - activity.y.mean(0)), jnp.zeros_like(synapse.v))
