from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..models import Activity, Model, Synapse
from ._feedback import AbstractFeedback
from ._rule import AbstractRule
from .kernels._linear import Linear
from .kernels._signal_length import unit_length
from .kernels._states import States
from .networks._features import Population
from .networks._networks import TopErrorNetwork, UpdateNetwork
from .terms._change import BiasChange, WeightChange
from .terms._site import Site, unit_rms


class Signals(eqx.Module):
    """What the rule computed for one population on its way down."""

    incoming: States
    hidden: States
    outgoing: States


@final
class LearnedRule(AbstractRule[None]):
    """The neuron-local update rule of Metz et al. (arXiv 1804.00222).

    Activity goes up, a learned error signal comes down, a small network in every neuron turns what the unit sees
    into a hidden state, and pairs of hidden states make the change of the weight between them. With
    `feedback_change` left out the feedback weights receive the change of the forward ones, as released. A step is
    `p - step_size * (decay * p + change)`.
    """

    top: TopErrorNetwork
    network: UpdateNetwork
    outgoing: Linear
    weight_change: WeightChange
    feedback_change: WeightChange | None
    bias_change: BiasChange
    log_step_size: Float[Array, ""] | float
    feedback: AbstractFeedback
    decay: float = eqx.field(static=True, default=1.0)

    def init(self, model: Model) -> None:
        return None

    def update(self, model: Model, x: Float[Array, "batch input"], state: None) -> tuple[Model, None]:
        _, activities = model(x)
        signals = self.signals(model, activities)
        step_size = jnp.exp(self.log_step_size)
        layers = []
        for index, (layer, (activity,)) in enumerate(zip(model.layers, activities)):
            (synapse,) = layer.synapses
            change = self.change(synapse, activity, (signals[index].hidden, signals[index + 1].hidden))
            step = jax.tree.map(lambda p, c: -step_size * (self.decay * p + c), synapse, change)
            layers.append(eqx.tree_at(lambda it: it.synapses, layer, (step,)))
        return Model(tuple(layers)), None

    def signals(self, model: Model, activities: tuple[tuple[Activity, ...], ...]) -> tuple[Signals, ...]:
        """Error signals and hidden states of every population, inputs first."""
        incoming = self.top(activities[-1][-1].y)
        populations = []
        for index in reversed(range(len(model.layers) + 1)):
            population = _population(model, activities, index, incoming)
            hidden = self.network(population)
            outgoing = self._outgoing(incoming, hidden, population.z)
            populations.append(Signals(incoming, hidden, outgoing))
            if index > 0:
                incoming = unit_length(self.feedback(model.layers[index - 1], outgoing))
        return tuple(reversed(populations))

    def _outgoing(self, incoming: States, hidden: States, z: Float[Array, "batch unit"]) -> States:
        read, gate = self.outgoing.of(hidden), States(jax.nn.sigmoid(z)[None])
        return read.replace(incoming.along(read.axis) * gate.along(read.axis) + read.array)

    def change(
        self,
        synapse: Synapse,
        activity: Activity,
        hidden: tuple[States, States],
    ) -> Synapse:
        """The merged change of one synapse, before step size and decay."""
        forward = self.weight_change(Site(unit_rms(synapse.w), activity, *hidden))
        if self.feedback_change is None:
            backward = forward
        else:
            backward = self.feedback_change(Site(unit_rms(synapse.v), activity, *hidden))
        return Synapse(forward, self.bias_change(hidden[1]), backward)


def _population(
    model: Model,
    activities: tuple[tuple[Activity, ...], ...],
    index: int,
    signal: States,
) -> Population:
    above = model.layers[index].synapses[0].w if index < len(model.layers) else None
    if index == 0:
        x = activities[0][0].x
        return Population(x, x, jnp.zeros(x.shape[1], x.dtype), signal, None, above)
    (below,), (activity,) = model.layers[index - 1].synapses, activities[index - 1]
    return Population(activity.y, activity.z, below.b, signal, below.w, above)
