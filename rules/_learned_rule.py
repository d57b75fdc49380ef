from collections.abc import Sequence
from typing import Any, final, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..models import Activity, Layer, Model, Synapse, Trace
from ._feedback import AbstractFeedback
from ._rule import AbstractAdditiveRule
from ._top import AbstractTop
from ._travel import divided_bias, raised, sent_down, total
from .kernels._linear import Linear
from .kernels._signal_length import unit_length
from .kernels._states import States
from .networks._features import NeuronInputs
from .networks._networks import UpdateNetwork
from .terms._change import BiasChange, WeightChange
from .terms._site import Site, unit_rms
from .terms._terms import AbstractTerm


class Signals(eqx.Module):
    """What the rule computed for one population on the way down: channels for every row and unit."""

    incoming: States
    """The error signal that arrived."""
    hidden: States
    """What the network in every neuron made of it."""
    outgoing: States
    """The error signal that goes on down."""


class _Sight(NamedTuple):
    """What the rule sees at one synapse."""

    activity: Activity
    hidden: tuple[States, States]
    """Hidden states of the units below, as the synapse receives them, and of those above."""
    connections: int
    """Synapses that arrive at the same units."""


@final
class LearnedRule(AbstractAdditiveRule[Any]):
    """The neuron-local update rule of Metz et al. (arXiv 1804.00222).

    Activity goes up, a learned error signal comes down, a small network in every neuron turns what the unit sees
    into a hidden state, and pairs of hidden states make the change of the weight between them. With
    `feedback_change` left out the feedback weights receive the change of the forward ones, as released. A step is
    `p - step_size * (decay * p + change)`. The rule's state is the memory of its top.
    """

    top: AbstractTop
    network: UpdateNetwork
    outgoing: Linear
    weight_change: WeightChange
    feedback_change: WeightChange | None
    bias_change: BiasChange
    log_step_size: Float[Array, ""] | float
    feedback: AbstractFeedback
    decay: float = eqx.field(static=True, default=1.0)

    def init(self, model: Model) -> Any:
        return self.top.init(model)

    def update(self, model: Model, x: Float[Array, " example *shape"], state: Any) -> tuple[Model, Any]:
        seen, state = self._seen(model, x, state)
        step_size = jnp.exp(self.log_step_size)

        def step(synapse: Synapse, sight: _Sight | None) -> Synapse:
            if sight is None:  # A population that no signal reaches stays as it is.
                return jax.tree.map(jnp.zeros_like, synapse)
            activity, hidden, connections = sight
            # A unit's bias is the sum of its synapses' biases, and each of them makes its part of the change.
            change = divided_bias(self.change(synapse, activity, hidden), connections)
            return jax.tree.map(lambda p, c: -step_size * (self.decay * p + c), synapse, change)

        steps = [step(synapse, sight) for synapse, sight in zip(model.synapses, seen)]
        return eqx.tree_at(lambda it: list(it.synapses), jax.tree.map(jnp.zeros_like, model), steps), state

    def parts(
        self, model: Model, x: Float[Array, " example *shape"], state: Any
    ) -> tuple[dict[str, Float[Array, "part pre post"]] | None, ...]:
        seen, _ = self._seen(model, x, state)
        step_size = jnp.exp(self.log_step_size)

        def of(synapse: Synapse, sight: _Sight | None) -> dict[str, Float[Array, "part pre post"]] | None:
            if sight is None:
                return None
            activity, (lower, upper), _ = sight
            site = Site(unit_rms(synapse.w), activity, lower, upper)
            return self.weight_change.parts_of_step(site, synapse.w, self.decay, step_size)

        return tuple(of(synapse, sight) for synapse, sight in zip(model.synapses, seen))

    def _seen(self, model: Model, x: Float[Array, " example *shape"], state: Any) -> tuple[list["_Sight | None"], Any]:
        """What the rule sees at every synapse, None where no signal arrives, and the new state."""
        trace = model.trace(x)
        top, state = self.top(trace, state)
        signals = self.signals(model, trace, top)

        def at(layer: Layer, index: int, place: int) -> _Sight | None:
            connection, above = layer.connections[place], signals[index + 1]
            below = signals[connection.source]
            if above is None or below is None:
                return None
            context, values = trace.contexts[index][place], trace.values[connection.source]
            lower = raised(connection, below.hidden, (values, context))
            return _Sight(trace.activities[index][place], (lower, above.hidden), len(layer.connections))

        return [at(layer, i, j) for i, layer in enumerate(model.layers) for j in range(len(layer.connections))], state

    def signals(self, model: Model, trace: Trace, top: States) -> tuple[Signals | None, ...]:
        """Error signals and hidden states of every population, inputs first; None where no signal arrives."""
        count = len(model.layers)
        coming: list[list[States]] = [[] for _ in range(count + 1)]
        found: list[Signals | None] = [None] * (count + 1)
        for index in reversed(range(count + 1)):
            if index < count and not coming[index]:
                continue
            incoming = top if index == count else unit_length(total(coming[index]))
            inputs = _neuron_inputs(model, trace, index, incoming)
            hidden = self.network(inputs)
            outgoing = self._outgoing(incoming, hidden, inputs.z)
            found[index] = Signals(incoming, hidden, outgoing)
            if index == 0:
                break
            layer = model.layers[index - 1]
            for connection, context in zip(layer.connections, trace.contexts[index - 1]):
                signal, values = self.feedback(connection.synapse, outgoing), trace.values[connection.source]
                for place, sent in sent_down(connection, signal, (values, context)):
                    coming[place].append(sent)
            if layer.skip is not None:
                coming[layer.skip].append(outgoing)
        return tuple(found)

    def _outgoing(self, incoming: States, hidden: States, z: Float[Array, "row unit"]) -> States:
        read, gate = self.outgoing.of(hidden), States(jax.nn.sigmoid(z)[None])
        return read.replace(incoming.along(read.axis) * gate.along(read.axis) + read.array)

    def change(
        self,
        synapse: Synapse,
        activity: Activity,
        hidden: tuple[States, States],
    ) -> Synapse:
        """The merged change of one synapse, before step size and decay, from the hidden states below and above."""
        forward = self.weight_change(Site(unit_rms(synapse.w), activity, *hidden))
        if self.feedback_change is None:
            backward = forward
        else:
            backward = self.feedback_change(Site(unit_rms(synapse.v), activity, *hidden))
        return Synapse(forward, self.bias_change(hidden[1]), backward)

    def with_term(self, term: AbstractTerm, coefficient: float = 0.1) -> "LearnedRule":
        """The rule with one more term, in the change of the forward weights and, where it is apart, of the feedback."""
        changes = [self.weight_change.with_term(term, coefficient)]
        if self.feedback_change is not None:
            changes.append(self.feedback_change.with_term(term, coefficient))
        where = lambda it: [it.weight_change, it.feedback_change][: len(changes)]
        return eqx.tree_at(where, self, changes)


def _neuron_inputs(model: Model, trace: Trace, index: int, signal: States) -> NeuronInputs:
    """What the networks of one population see: its activity, its signal, and the weights below and above it."""
    units = trace.values[index].shape[-1]
    x = trace.values[index].reshape(-1, units)
    leaving = [each for layer in model.layers for each in layer.connections if each.source == index]
    above = _joined([each.wire.fold(each.synapse.w, units) for each in leaving], 1) if leaving else None
    if index == 0:
        return NeuronInputs(x, x, jnp.zeros(units, x.dtype), signal, None, above)
    layer, activity = model.layers[index - 1], trace.activities[index - 1][0]
    below = _joined([synapse.w for synapse in layer.synapses], 0)
    return NeuronInputs(x, activity.z, layer.bias, signal, below, above)


def _joined(parts: Sequence[Array], axis: int) -> Array:
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis)
