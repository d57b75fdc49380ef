import equinox as eqx
import jax
from jaxtyping import Array, Float

from ...models import Activity
from ..kernels._states import States


@jax.jit
def unit_rms(weights: Float[Array, "pre post"]) -> Float[Array, "pre post"]:
    """Scales every receptive field (column) to a root mean square of one."""
    return weights * jax.lax.rsqrt((weights**2).mean(0) + 1e-6)


@jax.jit
def standardise(values: Float[Array, "batch unit"]) -> Float[Array, "batch unit"]:
    """Centres every column over the batch and divides it by its standard deviation."""
    centred = values - values.mean(0)
    return centred * jax.lax.rsqrt((centred**2).mean(0) + 1e-6)


class Site(eqx.Module):
    """All that a weight-change term may see of one synapse: its weights, scaled by `unit_rms`, what its units did,
    and the hidden states that the update network computed for the units below and above.
    """

    weights: Float[Array, "pre post"]
    activity: Activity
    lower: States
    upper: States
