import math
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ...models import Layer, Model, Synapse, Trace
from .._feedback import AbstractFeedback, SeparateWeights, TransposedWeights
from .._rule import AbstractRule
from .._top import AbstractTop, TopErrorNetwork
from .._travel import divided_bias, raised, sent_down, total
from ..kernels._states import States
from ..terms._change import bounded


class Feedback(eqx.Module):
    """What came down to a population: at its biases, and behind its batch normalisation, at its synapses."""

    biases: States
    synapses: States


@final
class Bidirectional(AbstractRule[Any]):
    """Every unit has several states that go up and come down, and weights change by their products (arXiv 2104.04657).

    On the way up a unit's state 0 is its activity y = f(z), and another state c is f'(z) (1 + sum over d of
    `forward[d, c]` z_d), where z_d are the normalised sums of what states d below bring. On the way down a unit's
    feedback e_c is its state c times the sum over d of `backward[d, c]` r_d, where r_d is what feedback d above
    brings, and goes through the transposed derivative of the unit's batch normalisation. With s = (states, feedback),
    2k numbers for k states, a weight's change is the mean over the batch of s_below `synapse` s_above; a bias's that of
    `bias` . s, with the feedback as it is before the normalisation. A step is `p - step_size * (decay * p + change)`.

    `epsilon` bounds: with it, feedback that arrives is scaled to a root mean square of one over the population, and a
    receptive field's change to less than one. Without (None) nothing is scaled, and `backpropagation` is gradient
    descent exactly. The rule's state is the memory of its top.
    """

    top: AbstractTop
    forward: Float[Array, "state state"]
    backward: Float[Array, "state state"]
    synapse: Float[Array, "twice twice"]
    bias: Float[Array, " twice"]
    log_step_size: Float[Array, ""]
    feedback: AbstractFeedback
    epsilon: float | None = eqx.field(static=True, default=0.01)
    decay: float = eqx.field(static=True, default=1.0)

    @classmethod
    def backpropagation(cls, top: AbstractTop, step_size: float) -> "Bidirectional":
        """Gradient descent as the case of two states: the activity and its slope, whose feedback is the error.

        `top` returns two states: 0 is not used, 1 is the derivative of each example's loss by its features.
        """
        nothing, error = jnp.zeros((2, 2)), jnp.zeros((2, 2)).at[1, 1].set(1)
        synapse, bias = jnp.zeros((4, 4)).at[0, 3].set(1), jnp.zeros(4).at[3].set(1)
        log_step_size = jnp.log(jnp.asarray(step_size, float))
        return cls(top, nothing, error, synapse, bias, log_step_size, TransposedWeights(), None, 0.0)

    def init(self, model: Model) -> Any:
        return self.top.init(model)

    def update(self, model: Model, x: Float[Array, " example *shape"], state: Any) -> tuple[Model, Any]:
        trace = model.trace(x)
        signal, state = self.top(trace, state)
        up = self._up(model, trace)
        down = self._down(model, trace, up, signal)
        joined = lambda states, feedback: None if feedback is None else States.join([states, feedback.synapses], 0)
        found = [joined(*each) for each in zip(up, down)]

        def step(layer: Layer, index: int, place: int) -> Synapse:
            connection, above, feedback = layer.connections[place], found[index + 1], down[index + 1]
            below = found[connection.source]
            if above is None or below is None or feedback is None:  # A population without feedback stays as it is.
                return jax.tree.map(jnp.zeros_like, connection.synapse)
            carried = trace.values[connection.source], trace.contexts[index][place]
            w = self._weight_change(raised(connection, below, carried).first, above.first)
            b = self._bias_change(States.join([up[index + 1], feedback.biases], 0).first)
            change = divided_bias(Synapse(w, b, w), len(layer.connections))
            return jax.tree.map(
                lambda p, c: -jnp.exp(self.log_step_size) * (self.decay * p + c), connection.synapse, change
            )

        steps = [step(layer, i, j) for i, layer in enumerate(model.layers) for j in range(len(layer.connections))]
        return eqx.tree_at(lambda it: list(it.synapses), jax.tree.map(jnp.zeros_like, model), steps), state

    def _weight_change(
        self, below: Float[Array, "twice row pre"], above: Float[Array, "twice row post"]
    ) -> Float[Array, "pre post"]:
        mixed = jnp.einsum("dc,dri->cri", self.synapse, below)
        count = below.shape[0] * below.shape[1]
        # As a product of two matrices, over states and rows together.
        change = mixed.reshape(count, -1).T @ above.reshape(count, -1) / below.shape[1]
        return change if self.epsilon is None else bounded(change, self.epsilon)

    def _bias_change(self, above: Float[Array, "twice row post"]) -> Float[Array, " post"]:
        change = self.bias @ above.mean(1)
        return change if self.epsilon is None else change * jax.lax.rsqrt(self.epsilon + (change**2).mean())

    def _up(self, model: Model, trace: Trace) -> list[States]:
        """The states of every population, inputs first; all of the inputs' but their values are one."""
        rows = [values.reshape(-1, values.shape[-1]) for values in trace.values]
        count = len(self.forward)
        found = [States(jnp.stack([rows[0], *[jnp.ones_like(rows[0])] * (count - 1)]))]
        for index, layer in enumerate(model.layers):
            brought = []
            for connection, context in zip(layer.connections, trace.contexts[index]):
                below = raised(connection, found[connection.source], (trace.values[connection.source], context))
                brought.append(below.first @ connection.synapse.w)
            sums = jax.vmap(layer.normalised)(sum(brought[1:], brought[0]))
            slope = _slope(layer, trace.activities[index][0].z)
            others = slope * (1 + jnp.einsum("dc,dru->cru", self.forward[:, 1:], sums))
            found.append(States(jnp.concatenate([rows[index + 1][None], others])))
        return found

    def _down(self, model: Model, trace: Trace, up: list[States], signal: States) -> list[Feedback | None]:
        """The feedback of every population, inputs first; None where none arrives."""
        coming: list[list[States]] = [[] for _ in up]
        coming[-1].append(States(signal.first))
        found: list[Feedback | None] = [None] * len(up)
        for index in reversed(range(len(up))):
            if not coming[index]:
                continue
            arrived = total(coming[index]).first
            if self.epsilon is not None:
                arrived = arrived * jax.lax.rsqrt(self.epsilon + (arrived**2).mean((1, 2), keepdims=True))
            own = up[index].first * jnp.einsum("dc,dru->cru", self.backward, arrived)
            if index == 0:
                found[0] = Feedback(States(own), States(own))
                break
            layer = model.layers[index - 1]
            sums = layer.sums(layer.receive(trace.values)[0])
            _, transpose = jax.vjp(layer.normalised, sums)
            feedback = States(jax.vmap(lambda each: transpose(each)[0])(own))
            found[index] = Feedback(States(own), feedback)
            for connection, context in zip(layer.connections, trace.contexts[index - 1]):
                sent, values = self.feedback(connection.synapse, feedback), trace.values[connection.source]
                for place, each in sent_down(connection, sent, (values, context)):
                    coming[place].append(each)
            if layer.skip is not None:
                coming[layer.skip].append(States(arrived))
        return found


def _slope(layer: Layer, z: Float[Array, "row unit"]) -> Float[Array, "row unit"]:
    """The derivative of the activation."""
    return jax.jvp(layer.activation, (z,), (jnp.ones_like(z),))[1]


def bidirectional(key: PRNGKeyArray, *, states: int = 2, hidden: int = 16, step_size: float = 0.03) -> Bidirectional:
    """Units of so many states, with a learned first feedback: begins near backpropagation of a random signal.

    `hidden` is the width of the network that makes the first feedback from the features.
    """
    keys = iter(jr.split(key, 8))
    top = TopErrorNetwork.pooled(keys, hidden, states)
    near = lambda shape: 0.1 * jr.normal(next(keys), shape)
    return Bidirectional(
        top,
        near((states, states)),
        near((states, states)) + jnp.eye(states),
        near((2 * states, 2 * states)).at[0, 2 * states - 1].add(1),
        near((2 * states,)).at[-1].add(1),
        jnp.asarray(math.log(step_size)),
        SeparateWeights(),
    )
