"""What is promised of memory, and low-rank noise, which is never multiplied out."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.meta import AbstractProblem, keep, Length
from metarule.meta.estimators import FullBackprop, FullES, Noise, NRES, Population, TruncatedBackprop
from metarule.meta.estimators._low_rank import LowRank, LowRankProblem
from metarule.meta.particles._flat import ravel


class Layered(AbstractProblem):
    """Uses theta's matrices in every way that low-rank noise must follow: products, loops, transposes, slices, sums."""

    horizon: Length

    def init(self, theta, key):
        return jnp.ones((5, 12)) * theta["scale"]

    def step(self, theta, state, key):
        hidden = jax.checkpoint(jax.nn.relu)(state @ theta["up"]) + 0.1 * state @ theta["up"][:, :9]
        hidden, _ = jax.lax.scan(
            lambda h, _: (jnp.tanh(jnp.einsum("bi,ij->bj", h, theta["square"])), None), hidden, None, 3
        )
        back = jax.vmap(lambda h: theta["up"] @ h)(hidden) + jax.jit(lambda w: theta["many"][1] @ w)(theta["up"]).sum()
        return state + 0.1 * back @ jnp.eye(12), (hidden**2).mean() + 0.01 * jnp.abs(theta["square"]).sum()


def test_low_rank_noise_is_not_multiplied_out_and_changes_no_number():
    keys = jr.split(jr.key(3), 4)
    theta = {
        "up": jr.normal(keys[0], (12, 9)),
        "square": jr.normal(keys[1], (9, 9)),
        "many": jr.normal(keys[2], (2, 9, 12)),
        "scale": jr.normal(keys[3], (12,)),
    }
    noise = Noise(0.1, {"up": 1.0, "square": 2.0, "many": 1.0, "scale": 0.5}, rank=2)
    key, problem = jr.key(9), Layered(Length(3))
    thin = noise.thin(key, theta, jnp.array(1.0))
    vector, rebuild, _ = ravel(theta)
    whole = rebuild(vector + noise.deviation(theta, jnp.array(1.0)) * noise.draw(key, theta))
    assert isinstance(thin["up"], LowRank) and thin["up"].left.shape == (12, 2)
    lifted = LowRankProblem(problem)
    state, expected = lifted.init(thin, key), problem.init(whole, key)
    for _ in range(2):
        (state, loss), (expected, other) = lifted.step(thin, state, key), problem.step(whole, expected, key)
        np.testing.assert_allclose(state, expected, 1e-4, 1e-5)
        np.testing.assert_allclose(loss, other, 1e-4)


def test_particles_share_the_product_of_low_rank_noise():
    """Without the noise's own products, the operations are those of one unroll with theta itself."""

    def operations(rank):
        estimator = FullES(Population(1, 32, stagger=False), Noise(0.1, rank=rank))
        problem, theta = Chain(Length(20)), jnp.zeros((64, 64))
        args = problem, theta, estimator.init(problem, theta, jr.key(0)), jr.key(0)
        return jax.jit(estimator.estimate).lower(*args).as_text()

    batched = "tensor<32x2x64x64xf32>"
    assert "dot_general" in operations(None) and batched in operations(None)
    assert not any("dot_general" in line and batched in line for line in operations(1).splitlines())
    assert any("dot_general" in line and batched in line for line in operations(None).splitlines())


class Chain(AbstractProblem):
    """A wide state and a large theta."""

    horizon: Length

    def init(self, theta, key):
        return jnp.ones(theta.shape[0])

    def step(self, theta, state, key):
        state = jnp.tanh(theta @ state)
        return state, (jnp.sin(3 * state) ** 2).sum()


def memory(estimator, steps, width=64, problem=Chain):
    theta, problem = jnp.zeros((width, width)), problem(Length(steps))
    state = estimator.init(problem, theta, jr.key(0))
    lowered = jax.jit(estimator.estimate).lower(problem, theta, state, jr.key(0))
    compiled = lowered.compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_memory_of_evolution_grows_neither_with_steps_nor_with_pairs_times_theta():
    """Beyond what the pairs' own inner states take, in and out: theta here is 64 times as large as a state."""
    theta, states = 4 * 64 * 64, 2 * 2 * 4 * 64  # bytes; of a pair
    small = memory(FullES(Population(1, 8, 4)), 8)
    assert memory(FullES(Population(1, 8, 4)), 1024) < small + theta
    assert memory(FullES(Population(1, 128, 4)), 8) < small + 120 * 1.2 * states
    assert memory(NRES(Population(4, 32, 4), 4), 1024) < small + 120 * 1.2 * states + 4 * theta
    assert memory(FullES(Population(1, 128)), 8) > small + 120 * theta  # all at once they do need it


class Drawn(AbstractProblem):
    """Draws data at every step, and keeps them if it is told to."""

    horizon: Length
    kept: bool = eqx.field(static=True)

    def init(self, theta, key):
        return jnp.ones(5)

    def step(self, theta, state, key):
        data = jr.normal(key, (7, 5))
        hidden = jnp.tanh((keep(data) if self.kept else data) * (theta @ state))
        return hidden.mean(0), (hidden**2).mean()


@pytest.mark.parametrize("truncated", [False, True], ids=["full", "truncated"])
@pytest.mark.parametrize("keeps", [False, True], ids=["states", "data"])
def test_memory_of_backprop_grows_with_the_square_root_of_the_steps(truncated, keeps):
    width, problem, kept = (5, lambda horizon: Drawn(horizon, True), 4 * 7 * 5) if keeps else (64, Chain, 0)

    def needed(steps):
        estimator = TruncatedBackprop(Population(1), steps) if truncated else FullBackprop(Population(1))
        return memory(estimator, steps, width, problem)

    state = 4 * width
    one, short, long = map(needed, (1, 64, 64 * 64))
    assert short - one < 1.5 * 64 * (state + kept)  # a state and what is kept for each step, and nothing else of it
    assert long - one < 1.5 * 64 * (2 * state + kept)


def test_what_is_kept_is_not_drawn_again_and_changes_no_number():
    theta, estimator = jr.normal(jr.key(1), (5, 5)), TruncatedBackprop(Population(1), 8)
    programs, gradients = {}, {}
    for kept in (False, True):
        problem = Drawn(Length(8), kept)
        state = estimator.init(problem, theta, jr.key(0))
        programs[kept] = str(jax.make_jaxpr(lambda: estimator.estimate(problem, theta, state, jr.key(2))[0].grad)())
        gradients[kept] = estimator.estimate(problem, theta, state, jr.key(2))[0].grad
    draws = {kept: len(re.findall(r"random_bits\[[^]]*shape=\(7, 5\)", program)) for kept, program in programs.items()}
    assert draws[True] == 1 and draws[False] == 2
    np.testing.assert_allclose(gradients[True], gradients[False], 1e-4, 1e-7)
    assert np.abs(gradients[True]).max() > 0
