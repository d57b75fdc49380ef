"""A rule with a moving average of its updates, against the average written out."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.options._ingredients import leave_out
from metarule.models import MultiLayerPerceptron
from metarule.rules import AbstractRule, fit, Momentum


class Ramp(AbstractRule):
    """Moves every parameter by the number of steps so far."""

    def init(self, model):
        return jnp.zeros(())

    def update(self, model, x, state):
        return jax.tree.map(lambda leaf: jnp.full_like(leaf, state + 1), model), state + 1


MODEL = MultiLayerPerceptron((3,))((2,), jr.key(0))
X = jnp.ones((4, 2))


def test_updates_are_the_average_of_all_before():
    """After k steps: the sum over i = 1..k of (1 - d) d^(k - i) i, moved by at every step."""
    rule = Momentum.create(Ramp(), 0.7)
    moved, _ = fit(rule, (MODEL, rule.init(MODEL)), X, 5, batch_size=2, key=jr.key(1))
    expected = sum(0.3 * 0.7 ** (k - i) * i for k in range(1, 6) for i in range(1, k + 1))
    for before, after in zip(jax.tree.leaves(MODEL), jax.tree.leaves(moved)):
        np.testing.assert_allclose(after - before, expected, rtol=1e-5)


def test_left_out_it_leaves_the_rule_within():
    assert isinstance(leave_out(Momentum.create(Ramp()), ("momentum",)), Ramp)


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, 2.0, float("nan")])
def test_a_decay_that_cannot_be(decay):
    with pytest.raises(BadInput, match="must be between 0 and 1"):
        Momentum.create(Ramp(), decay)
