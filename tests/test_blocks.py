"""What the stages of a per-neuron network compute and, where derivatives are by hand, that they are JAX's own."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.rules import BatchMixing, DenseUnitMixing, NeighbourMixing, PooledMixing, States
from metarule.rules.kernels import _correlate
from metarule.rules.kernels._correlate import correlate
from metarule.rules.kernels._signal_length import unit_length
from metarule.rules.networks._blocks import batch_norm


def compare(ours, plain, arguments, getkey):
    """Two functions of arrays in every mode of differentiation, and of a batch of arguments."""
    moved = tuple(jr.normal(getkey(), argument.shape) for argument in arguments)
    back = jr.normal(getkey(), plain(*arguments).shape)
    batch = tuple(map(jnp.stack, zip(arguments, moved)))
    gradient = lambda f: jax.grad(lambda *arguments: (f(*arguments) ** 2).sum(), range(len(arguments)))
    for mode in (
        lambda f: jax.jvp(f, arguments, moved),
        lambda f: jax.vjp(f, *arguments)[1](back),
        lambda f: jax.vmap(f)(*batch),
        lambda f: jax.vmap(gradient(f))(*batch),
        lambda f: jax.grad(lambda *batch: (jax.vmap(f)(*batch) ** 2).sum())(*batch),
        lambda f: jax.jvp(gradient(f), arguments, moved),
    ):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-11), mode(ours), mode(plain))


@pytest.mark.parametrize("rows", [14, 2048])  # at a time: in three groups, or all at once
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("width", [2, 3, 5])
def test_correlation_and_its_derivatives(axis, width, rows, getkey, monkeypatch):
    monkeypatch.setattr(_correlate, "_ROWS", rows)

    def plain(values, weight):
        margins = [(0, 0)] * 3
        margins[axis] = ((width - 1) // 2, width // 2)
        padded = jnp.moveaxis(jnp.pad(values, margins), axis, 0)
        length = values.shape[axis]
        total = sum(padded[j : j + length] @ weight[j] for j in range(width))
        return jnp.moveaxis(total, 0, axis)

    with jax.enable_x64(True):
        arguments = jr.normal(getkey(), (6, 7, 3)), jr.normal(getkey(), (width, 3, 4))
        compare(lambda values, weight: correlate(values, weight, axis), plain, arguments, getkey)


@pytest.mark.parametrize("axis", [0, -1])
def test_batch_normalisation_and_its_derivatives(axis, getkey):
    def plain(values, offset):
        rows = jnp.moveaxis(values, axis, -1)
        normal = (rows - rows.mean((0, 1))) / jnp.sqrt(rows.var((0, 1)) + 1e-3) + offset
        return jnp.moveaxis(normal, -1, axis)

    with jax.enable_x64(True):
        values = 3 + 2 * jr.normal(getkey(), (6, 7, 3))
        arguments = values, jr.normal(getkey(), (values.shape[axis],))
        compare(lambda values, offset: batch_norm(values, offset, axis), plain, arguments, getkey)


@pytest.mark.parametrize("channels", [1, 2, 5, 8])
@pytest.mark.parametrize("axis", [0, -1])
def test_signals_of_unit_length_and_their_derivatives(axis, channels, getkey):
    def plain(signal):
        return signal / jnp.sqrt(1e-6 + (signal**2).mean(axis, keepdims=True))

    with jax.enable_x64(True):
        signal = jnp.moveaxis(jr.normal(getkey(), (channels, 3, 4)), 0, axis)
        compare(lambda signal: unit_length(States(signal, axis)).array, plain, (signal,), getkey)


def test_states_are_the_same_in_either_order(getkey):
    array, weight, bias = jr.normal(getkey(), (3, 4, 5)), jr.normal(getkey(), (3, 2)), jr.normal(getkey(), (2,))
    states = States(array), States(array.T, -1)
    expected = np.einsum("cbu,cd->dbu", array, weight) + np.asarray(bias)[:, None, None]
    for state in states:
        mapped = state.times(weight).plus(bias)
        assert mapped.axis == state.axis
        np.testing.assert_allclose(mapped.first, expected, atol=1e-6)
        np.testing.assert_allclose(mapped.last, expected.T, atol=1e-6)
        for axis in (0, -1):
            joined = States.join([mapped, state], axis)
            assert joined.axis == axis
            np.testing.assert_allclose(joined.first, np.concatenate([expected, array]), atol=1e-6)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("kind", ["batch", "neighbours", "pooled", "dense"])
def test_a_stage_computes_the_same_from_either_order(kind, width, getkey):
    make = {
        "batch": lambda: BatchMixing.create((width, 3, 5), getkey()),
        "neighbours": lambda: NeighbourMixing.create(3, getkey()),
        "pooled": lambda: PooledMixing.create(3, getkey()),
        "dense": lambda: DenseUnitMixing(BatchMixing.create((width, 6, 6), getkey())),
    }
    block, array = make[kind](), jr.normal(getkey(), (3, 4, 6))
    one, other = block(States(array)), block(States(array.T, -1))
    assert np.abs(one.first).max() > 0.1
    np.testing.assert_allclose(one.first, other.first, atol=1e-5)
