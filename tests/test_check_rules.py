"""The checks of rules pass for what is built in, and name what is wrong with broken classes."""

import itertools
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest
from jaxtyping import Array, Float
from metarule.errors import BadInput
from metarule.models import MultiLayerPerceptron
from metarule.rules import (
    AbstractRule,
    AbstractSynapticRule,
    bidirectional,
    lean,
    local_loss,
    Momentum,
    Oja,
    polynomial,
)
from metarule.testing import check_rule, check_rule_form


@pytest.mark.parametrize(
    "rule",
    [
        Oja(),
        Momentum.create(Oja()),
        polynomial(jr.key(0)),
        local_loss(jr.key(0)),
        bidirectional(jr.key(0), hidden=4),
        lean(jr.key(0), hidden=4, signal=2, readout=1),
    ],
    ids=lambda it: type(it).__name__,
)
def test_built_in_rules_pass(rule):
    check_rule(rule, MultiLayerPerceptron((3,)), (4,))


@final
class Transposed(AbstractSynapticRule):
    """Returns its weights' change transposed."""

    def change(self, synapse, activity):
        return eqx.tree_at(lambda it: it.w, synapse, synapse.w.T)


@final
class Mistaken(AbstractSynapticRule):
    """Multiplies matrices that don't fit."""

    def change(self, synapse, activity):
        return activity.x @ activity.y


@final
class Forgetful(AbstractRule):
    """Returns no state."""

    def init(self, model):
        return None

    def update(self, model, x, state):
        return model


@final
class Partial(AbstractRule):
    """Returns updates of the weights only."""

    def init(self, model):
        return None

    def update(self, model, x, state):
        return [synapse.w for synapse in model.synapses], state


@final
class Growing(AbstractRule):
    """Remembers every batch in an array that grows."""

    def init(self, model):
        return jnp.zeros(0)

    def update(self, model, x, state):
        return model, jnp.append(state, x.mean())


@final
class Plain(AbstractRule):
    """Counts its steps with a plain number."""

    def init(self, model):
        return {"steps": 0}

    def update(self, model, x, state):
        return model, {"steps": state["steps"] + 1}


@pytest.mark.parametrize(
    "rule, sentence",
    [
        (
            Transposed(),
            "Transposed.update must return (updates, state) with updates shaped like the model; "
            "its layers[0].connections[0].synapse.w is float32[4, 5], not float32[5, 4].",
        ),
        (Mistaken(), "Mistaken.update must run under jax.jit; it raises TypeError: dot_general requires"),
        (Forgetful(), "Forgetful.update must return a pair (updates, state); it returns a Model."),
        (Partial(), "Partial.update must return (updates, state) with updates shaped like the model; it is a list"),
        (Growing(), "with a state shaped like that of init; its value is float32[1], not float32[0]."),
        (Plain(), "Plain.init must return a state of arrays, as a checkpoint holds nothing else; its ['steps'] is 0."),
    ],
    ids=lambda it: "" if isinstance(it, str) else type(it).__name__,
)
def test_a_rule_of_another_form_is_refused_with_a_sentence(rule, sentence):
    for check in (check_rule_form, check_rule):
        with pytest.raises(BadInput) as caught:
            check(rule)
        assert sentence in str(caught.value)


COUNT = itertools.count()


@final
class Counting(AbstractRule):
    """Changes with a number that is outside of its state."""

    def init(self, model):
        return None

    def update(self, model, x, state):
        return jax.tree.map(lambda leaf: leaf * (1.0 + next(COUNT)), model), state


@final
class Rooted(AbstractRule):
    """Takes the root of a weighted zero: the gradient with respect to its weight is infinite."""

    scale: Float[Array, ""]

    def init(self, model):
        return None

    def update(self, model, x, state):
        return jax.tree.map(lambda leaf: leaf * jnp.sqrt(self.scale), model), state


@final
class Unbounded(AbstractSynapticRule):
    """Divides by an activity's deviation within one unit, which is zero."""

    def change(self, synapse, activity):
        return jax.tree.map(lambda leaf: leaf / (activity.x[:1] - activity.x[:1]).sum(), synapse)


@pytest.mark.parametrize(
    "rule, sentence",
    [
        (Counting(), "Counting.update must return the same for the same inputs"),
        (Rooted(jnp.zeros(())), "Rooted.update must have finite gradients"),
        (Unbounded(), "Unbounded.update must return finite numbers"),
    ],
    ids=lambda it: "" if isinstance(it, str) else type(it).__name__,
)
def test_a_rule_that_breaks_a_promise_is_named(rule, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_rule(rule, MultiLayerPerceptron((3,)), (4,))
