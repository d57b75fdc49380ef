import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import Model
from .._rule import AbstractRule


class AbstractLocalRule(AbstractRule[None]):
    """A hand-made rule: what a weight matrix does depends on itself and on the activity below it, and nothing else.

    All layers change at once; biases and feedback weights stay. The activity is centred over the batch, as the
    layer's batch normalisation does, and divided by one number, so that its mean squared length is one: then a step
    size means the same for any data and any layer.
    """

    @abc.abstractmethod
    def change(self, w: Float[Array, "pre post"], x: Float[Array, "batch pre"]) -> Float[Array, "pre post"]:
        """What is added to one weight matrix."""

    def init(self, model: Model) -> None:
        return None

    def update(self, model: Model, x: Float[Array, "batch input"], state: None) -> tuple[Model, None]:
        _, activities = model(x)
        updates = jax.tree.map(jnp.zeros_like, model)
        synapses = [synapse for layer in model.layers for synapse in layer.synapses]
        below = [activity.x for layer in activities for activity in layer]
        changes = [self.change(synapse.w, unit_power(x)) for synapse, x in zip(synapses, below)]
        return eqx.tree_at(lambda it: [s.w for layer in it.layers for s in layer.synapses], updates, changes), None


def unit_power(x: Float[Array, "batch unit"]) -> Float[Array, "batch unit"]:
    """Centres examples over the batch and scales them all alike, to a mean squared length of one."""
    centred = x - x.mean(0)
    return centred * jax.lax.rsqrt((centred**2).sum(1).mean() + 1e-12)
