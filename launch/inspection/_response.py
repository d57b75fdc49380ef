import dataclasses
from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ...models import Model, MultiLayerPerceptron, Synapse
from ...rules import AbstractRule


@final
@dataclasses.dataclass(frozen=True)
class Probe:
    """A small base model and batch by which a rule, whatever it is made of, is asked how one weight changes.

    The model has one hidden layer and a layer of features. Of the weight from the first input to the first hidden unit,
    activity on both sides in one example is set at will: the input is given, and what other inputs bring the hidden
    unit to fire as wanted. All other examples of the batch are random, with mean zero, variance one and no correlation.
    """

    features: int = 8
    inputs: int = 16
    hidden: int = 8
    others: int = 63
    """Random examples beside the one whose activity is set; not fewer than inputs."""
    pre: tuple[float, ...] = tuple(np.linspace(-3, 3, 13).tolist())
    """Activities before the weight, in standard deviations over the other examples."""
    post: tuple[float, ...] = tuple(np.linspace(-3, 3, 13).tolist())
    """Sums of inputs of the unit behind it, in the same."""
    activation: Callable[[Array], Array] = jax.nn.relu

    def model(self, weight: Float[Array, ""], signal: Float[Array, ""], key: PRNGKeyArray) -> Model:
        """The base model. Every hidden unit's weights have length one.

        `weight` is the weight that is asked about, in root mean squares of its unit's weights. `signal` multiplies the
        weights, forward and feedback, that join that unit to the features: where from an error signal comes to it.
        """
        architecture = MultiLayerPerceptron((self.hidden, self.features), self.activation, 1.0, 0.0)
        model = architecture((self.inputs,), key)
        first, second = model.synapses
        w, v = (_unit_length(each) for each in (first.w, first.v))
        own = weight / self.inputs**0.5
        rest = w[1:, 0] * jax.lax.rsqrt((w[1:, 0] ** 2).sum()) * jnp.sqrt(1 - own**2)
        w = w.at[0, 0].set(own).at[1:, 0].set(rest)
        above = [_unit_length(each) for each in (second.w, second.v)]
        above = [each.at[0].set(signal * each[0]) for each in above]
        changed = [Synapse(w, first.b, v), Synapse(above[0], second.b, above[1])]
        return eqx.tree_at(lambda it: list(it.synapses), model, changed)

    def background(self, key: PRNGKeyArray) -> Float[Array, "other input"]:
        """The other examples."""
        noise = jr.normal(key, (self.others, self.inputs))
        basis, _ = jnp.linalg.qr(noise - noise.mean(0))
        return basis * self.others**0.5

    def example(self, model: Model, pre: Float[Array, ""], post: Float[Array, ""]) -> Float[Array, " input"]:
        """The example in which the input is `pre` and the hidden unit's sum of inputs is `post`.

        Both are in standard deviations over the other examples.
        """
        w = model.synapses[0].w[:, 0]
        rest = w.at[0].set(0.0)
        return ((post - w[0] * pre) / (rest**2).sum() * rest).at[0].set(pre)


def response(
    rule: AbstractRule, probe: Probe, at: tuple[float, float], key: PRNGKeyArray
) -> Float[np.ndarray, "pre post"]:
    """How much one example changes a weight, by the activity before and behind it, `at` a weight and a signal.

    The change is the weight's in one step of the rule from its first state, less what it is where the example lies at
    the mean of the others, times the number of examples: what an example brings if the whole batch were such. Its unit
    is the root mean square of the unit's weights. `key` draws all that is random in the probe.
    """
    return np.asarray(_response(rule, probe, jnp.array(at, float), key))


@eqx.filter_jit
def _response(rule: AbstractRule, probe: Probe, at: Float[Array, "2"], key: PRNGKeyArray) -> Float[Array, "pre post"]:
    model_key, batch_key = jr.split(key)
    model, others = probe.model(at[0], at[1], model_key), probe.background(batch_key)
    grid = jnp.stack(jnp.meshgrid(jnp.array(probe.pre, float), jnp.array(probe.post, float), indexing="ij"), -1)

    def change(example: Float[Array, " input"]) -> Float[Array, ""]:
        updates, _ = rule.update(model, jnp.concatenate([others, example[None]]), rule.init(model))
        return updates.synapses[0].w[0, 0] * probe.inputs**0.5

    one = lambda place: change(probe.example(model, place[0], place[1]))
    changes = jax.lax.map(one, grid.reshape(-1, 2), batch_size=_AT_ONCE)
    return (probe.others + 1) * (changes.reshape(grid.shape[:2]) - change(jnp.zeros(probe.inputs)))


_AT_ONCE = 32


def _unit_length(weights: Float[Array, "pre post"]) -> Float[Array, "pre post"]:
    return weights * jax.lax.rsqrt((weights**2).sum(0))
