import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import Synapse


# What the hand-made rules have in common: they change the weights alone, and see centred inputs of unit power, so that
# a step size means the same for any data and any layer. Centring is what batch normalisation does anyway.


def of_weights(synapse: Synapse, change: Float[Array, "pre post"]) -> Synapse:
    """The change of a synapse whose biases and feedback weights stay."""
    return Synapse(change, jnp.zeros_like(synapse.b), jnp.zeros_like(synapse.v))


def unit_power(x: Float[Array, "row unit"]) -> Float[Array, "row unit"]:
    """Centres the rows and scales them all alike, to a mean squared length of one."""
    centred = x - x.mean(0)
    return centred * jax.lax.rsqrt((centred**2).sum(1).mean() + 1e-12)
