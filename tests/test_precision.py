"""What an accelerator rounds: products of networks, not those that solve an equation or take differences."""

import re

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest
from metarule.meta import RidgeObjective
from metarule.models import lloyd, MultiLayerPerceptron
from metarule.tasks import logistic_scores, PrincipalAxes, ridge_scores


X, Y = jr.normal(jr.key(0), (12, 5)), jax.nn.one_hot(jnp.arange(12) % 3, 3)

EXACT = {
    "the ridge objective and its gradient": jax.grad(lambda x: RidgeObjective().on_features(x, Y[:6], Y[6:])),
    "the ridge readout": lambda x: ridge_scores(PrincipalAxes.of(x[:6], x[6:]), Y[:6]),
    "the logistic readout": lambda x: logistic_scores(PrincipalAxes.of(x[:6], x[6:]), Y[:6]),
}


def products(function, *arguments):
    """How many products of a program are of full precision, and how many there are."""
    program = jax.jit(function).lower(*arguments).as_text()
    found = re.findall(r"stablehlo\.dot_general.*", program)
    return sum("HIGHEST, HIGHEST" in product for product in found), len(found)


@pytest.mark.parametrize("name", EXACT)
def test_solutions_are_of_full_precision(name):
    full, count = products(EXACT[name], X)
    assert full == count > 1


def test_differences_of_distances_are_of_full_precision():
    full, count = products(lambda x: lloyd(x, x[:3], 4), X)
    assert (full, count) == (1, 2)  # The other one adds up the members of a cluster.


def test_networks_are_as_precise_as_the_accelerator_likes():
    model = MultiLayerPerceptron((4, 3))((5,), jr.key(0))
    full, count = products(lambda x: model(x)[0], X)
    assert full == 0 < count
