"""Batches of factorisations, which make XLA's CPU threads wait for each other for ever where several are begun."""

import re

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.meta import RidgeObjective
from metarule.models import PrincipalComponents
from metarule.one_by_one import one_by_one
from metarule.tasks import PrincipalAxes


X, Y = jr.normal(jr.key(0), (2, 3, 12, 5)), jax.nn.one_hot(jnp.arange(6) % 3, 3)

BATCHES = {
    "meta-objective and gradient": jax.grad(
        lambda x: jax.vmap(lambda x: RidgeObjective().on_features(x, Y, Y))(x).sum()
    ),
    "readouts": jax.vmap(lambda x: PrincipalAxes.of(x[:6], x[6:])),
    "principal components": jax.vmap(lambda x: PrincipalComponents.half_whitened(x, 2)),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_factorised_one_after_another(name):
    program = jax.jit(jax.vmap(BATCHES[name])).lower(X).as_text()
    calls = re.findall(r"custom_call @(?:lapack|blas).*: \((.*?)\) ->", program)
    shapes = [tuple(map(int, shape)) for call in calls for shape in re.findall(r"tensor<(\d+)x(\d+)x(\d+)x", call)]
    assert calls and not [shape for shape in shapes if shape[0] > 1]


def test_nested_batches_are_as_they_would_be_together():
    matrices = X @ jnp.swapaxes(X, -1, -2) + jnp.eye(12)
    alone = jax.vmap(jax.vmap(one_by_one(jnp.linalg.cholesky)))(matrices)
    np.testing.assert_array_equal(alone, jnp.linalg.cholesky(matrices))
