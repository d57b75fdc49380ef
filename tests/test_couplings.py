"""Couplings between units are computed in two orders: both are the same map, and wide layers need no square matrix."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.rules.kernels._linear import couple, couple_laterally


@pytest.mark.parametrize("others, units, size", [(4, 3, 6), (4, 40, 6)], ids=["square", "factors"])
def test_both_orders_are_the_coupling_that_is_written_out(others, units, size):
    keys = jr.split(jr.key(0), 3)
    weights = jr.normal(keys[0], (others, units))
    rows, columns = (jr.normal(key, (size, units)) for key in keys[1:])
    with jax.enable_x64(True):
        w, r, c = (np.asarray(x, np.float64) for x in (weights, rows, columns))
        matrix = np.einsum("bi,bj->ij", r, c)
        coupling = (matrix + matrix.T) / np.sqrt(2) / size
        np.fill_diagonal(coupling, 0)
        args = [jnp.asarray(x) for x in (w, r, c)]
        np.testing.assert_allclose(couple_laterally(*args), w @ coupling / np.sqrt(units), atol=1e-12)
        plain = couple(*args, 7.0)
        np.testing.assert_allclose(plain, w @ matrix / 7, atol=1e-12)


def test_no_square_matrix_of_a_wide_layer():
    shapes = jnp.zeros((4, 1000)), jnp.zeros((8, 1000)), jnp.zeros((8, 1000))
    text = jax.jit(couple_laterally).lower(*shapes).as_text()
    text += jax.jit(couple).lower(*shapes).as_text()
    assert "1000x1000" not in text and "4x1000" in text
