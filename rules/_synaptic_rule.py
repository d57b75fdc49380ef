import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..models import Activity, Model, Synapse
from ._rule import AbstractRule


class AbstractSynapticRule(AbstractRule[None]):
    """A rule by which each synapse changes by itself, from its own weights and the activity on both of its sides.

    All synapses change at once, and nothing is remembered between steps.
    """

    @abc.abstractmethod
    def change(self, synapse: Synapse, activity: Activity) -> Synapse:
        """What is added to one synapse: to its weights, biases and feedback weights."""

    def init(self, model: Model) -> None:
        return None

    def update(self, model: Model, x: Float[Array, " example *shape"], state: None) -> tuple[Model, None]:
        _, activities = model(x)
        flat = [activity for layer in activities for activity in layer]
        changes = [self.change(synapse, activity) for synapse, activity in zip(model.synapses, flat)]
        return eqx.tree_at(lambda it: list(it.synapses), jax.tree.map(jnp.zeros_like, model), changes), None
