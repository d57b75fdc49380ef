import math
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ...models import Activity, Model, Synapse
from .._rule import AbstractAdditiveRule
from .._synaptic_rule import AbstractSynapticRule
from ..kernels._states import States
from ..terms._change import WeightChange
from ..terms._monomial import MONOMIALS
from ..terms._site import Site, unit_rms
from ..terms._terms import AbstractTerm, Decorrelation, Hebbian, LargeWeightDecay, WeightDecay


@final
class Plasticity(AbstractSynapticRule, AbstractAdditiveRule[None]):
    """Terms that need no hidden states: a synapse changes by the activity of its two units and its weight alone.

    A step is `p - step_size * (decay * p + change)`; the bias's change is a polynomial of the unit's activity y whose
    coefficients are `bias_change`: of 1, y and y^2, averaged over the batch. Feedback weights stay, nothing reads them.
    """

    weight_change: WeightChange
    bias_change: Float[Array, "3"]
    log_step_size: Float[Array, ""]
    decay: float = eqx.field(static=True, default=1.0)

    def change(self, synapse: Synapse, activity: Activity) -> Synapse:
        w = self.weight_change(_site(synapse, activity))
        y = activity.y
        b = self.bias_change @ jnp.stack([jnp.ones(y.shape[1], y.dtype), y.mean(0), (y**2).mean(0)])
        step = lambda p, change: -jnp.exp(self.log_step_size) * (self.decay * p + change)
        return Synapse(step(synapse.w, w), step(synapse.b, b), jnp.zeros_like(synapse.v))

    def parts(
        self, model: Model, x: Float[Array, " example *shape"], state: None
    ) -> tuple[dict[str, Float[Array, "part pre post"]] | None, ...]:
        _, activities = model(x)
        flat = [activity for layer in activities for activity in layer]
        step_size = jnp.exp(self.log_step_size)

        def of(synapse: Synapse, activity: Activity) -> dict[str, Float[Array, "part pre post"]]:
            return self.weight_change.parts_of_step(_site(synapse, activity), synapse.w, self.decay, step_size)

        return tuple(of(synapse, activity) for synapse, activity in zip(model.synapses, flat))


def _site(synapse: Synapse, activity: Activity) -> Site:
    """What a term sees of a synapse: hidden states have no channels."""
    lower, upper = (States(values[None, :, :][:0]) for values in (activity.x, activity.y))
    return Site(unit_rms(synapse.w), activity, lower, upper)


def polynomial(key: PRNGKeyArray, *, step_size: float = 0.03) -> Plasticity:
    """Plasticity as a truncated Taylor series in pre- and postsynaptic activity and weight, beside hand-made terms.

    A rule of few numbers that can be read, as Confavreux et al. learn them (A meta-learning approach to (re)discover
    plasticity rules that carve a desired function into a neural network, NeurIPS 2020). It begins as Hebb's rule with
    decorrelation and decay: the coefficients of the monomials are small normal numbers.
    """
    hand_made: tuple[AbstractTerm, ...] = (Decorrelation(), Hebbian(), LargeWeightDecay(), WeightDecay())
    change = WeightChange.create((*hand_made, *MONOMIALS), epsilon=0.01)
    small = 0.01 * jax.random.normal(key, (len(MONOMIALS),))
    coefficients = change.coefficients.at[len(hand_made) :].set(small)
    change = eqx.tree_at(lambda it: it.coefficients, change, coefficients)
    return Plasticity(change, jnp.zeros(3), jnp.asarray(math.log(step_size)))
