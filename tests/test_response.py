"""How a weight responds to activity: what a black box answers is what the rule's formula says."""

import csv

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.launch.__main__ import main
from metarule.launch.inspection._response import Probe, response
from metarule.rules import lean, Momentum, Oja


PROBE = Probe(features=3, inputs=5, hidden=4, others=20, pre=(-2.0, 0.0, 0.5), post=(-1.0, 1.5))


def oja(w, example, others, step_size):
    """The change of the first weight by Oja's rule, from the covariance of the batch, which is known in closed form."""
    rows = others + 1
    scatter = others * np.eye(len(example)) + np.outer(example, example) * (1 - 1 / rows)
    scatter *= rows / np.trace(scatter)  # The rule scales examples to a mean squared length of one.
    explained = w.T @ scatter @ w
    return step_size * (scatter @ w - w @ explained)[0, 0] / (rows + np.trace(explained))


@pytest.mark.parametrize("weight", [-1.0, 0.5])
def test_the_response_of_ojas_rule_is_its_formula(weight):
    key = jr.key(3)
    found = response(Oja(0.3), PROBE, (weight, 1.0), key)
    model = PROBE.model(jnp.asarray(weight), jnp.asarray(1.0), jr.split(key)[0])
    w = np.asarray(model.synapses[0].w, float)
    at = lambda pre, post: np.asarray(PROBE.example(model, jnp.asarray(pre), jnp.asarray(post)), float)
    change = lambda example: oja(w, example, PROBE.others, 0.3) * len(w) ** 0.5 * (PROBE.others + 1)
    expected = [[change(at(pre, post)) - change(np.zeros(len(w))) for post in PROBE.post] for pre in PROBE.pre]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_probe_has_the_activity_and_the_weight_that_are_asked_for():
    model = PROBE.model(jnp.asarray(0.7), jnp.asarray(-2.0), jr.key(0))
    first, second = model.synapses
    _, above = PROBE.model(jnp.asarray(0.7), jnp.asarray(1.0), jr.key(0)).synapses
    example = PROBE.example(model, jnp.asarray(1.5), jnp.asarray(-0.5))
    np.testing.assert_allclose([example[0], example @ first.w[:, 0]], [1.5, -0.5], rtol=1e-5)
    np.testing.assert_allclose((first.w**2).sum(0), 1, rtol=1e-5)
    assert float(first.w[0, 0]) * 5**0.5 == pytest.approx(0.7)
    for one, other in ((second.w, above.w), (second.v, above.v)):
        np.testing.assert_allclose(one[0], -2 * other[0], rtol=1e-6)
        np.testing.assert_array_equal(one[1:], other[1:])
    others = PROBE.background(jr.key(1))
    np.testing.assert_allclose(others.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(others.T @ others / len(others), np.eye(5), atol=1e-5)


def test_a_rule_around_another_answers_for_itself():
    rules = Oja(0.3), Momentum.create(Oja(0.3), 0.75)
    plain, moved = (response(rule, PROBE, (0.5, 1.0), jr.key(3)) for rule in rules)
    np.testing.assert_allclose(moved, plain / 4, rtol=1e-3, atol=1e-6)  # The average begins at zero.


def test_a_learned_rule_hears_from_above_and_ojas_does_not():
    def heard(rule):
        plain, turned = (response(rule, PROBE, (0.5, signal), jr.key(3)) for signal in (1.0, -1.0))
        return np.abs(plain - turned).max() / np.abs(plain).max()

    assert heard(lean(jr.key(0), hidden=4, signal=2)) > 1e-3 and heard(Oja()) < 1e-6


def test_the_figure_has_a_panel_for_every_weight(tmp_path):
    options = ["--values", "-1", "0.5", "--network", "4-3", "--out", str(tmp_path)]
    assert main(["figure", "response", "metarule.rules:Oja", *options]) == 0
    with open(tmp_path / "response.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["weight"] for row in rows} == {"-1.0", "0.5"} and {row["signal"] for row in rows} == {"0.0"}
    assert len(rows) == 2 * 13**2 and (tmp_path / "response.png").exists()
    still = [float(row["change"]) for row in rows if float(row["pre"]) == float(row["post"]) == 0]
    assert still == pytest.approx([0, 0], abs=1e-5)
