"""Measures what docs/estimators.md says of cost: python docs/measure_estimators.py"""

import statistics
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from metarule.meta import AbstractProblem, Length, MetaLearner
from metarule.meta.estimators import (
    AntitheticES,
    ForwardMode,
    FullBackprop,
    FullES,
    GPES,
    Hybrid,
    NRES,
    PES,
    PESAnalytic,
    Population,
    TruncatedBackprop,
)


class Recurrent(AbstractProblem):
    """A recurrent network whose weight matrix is theta, on noise: cheap, smooth, of any length."""

    horizon: Length
    width: int = eqx.field(static=True, default=64)
    batch: int = eqx.field(static=True, default=16)

    def init(self, theta, key):
        return jr.normal(key, (self.batch, self.width))

    def step(self, theta, state, key):
        state = jnp.tanh(state @ theta + 0.1 * jr.normal(key, state.shape))
        return state, ((state - 0.5) ** 2).mean()


def recurrent(steps, batch=16):
    return Recurrent(Length(steps), batch=batch), jr.normal(jr.key(5), (64, 64)) / 8


def memory():
    print("Memory of one meta-step beside its input and output, MB (theta: 64x64, 16 kB; an inner state: 0.5 kB)")
    pairs = lambda count: Population(1, count, 4)
    estimators = {
        "backprop": lambda count: FullBackprop(Population(count, 1, 4)),
        "full-es": lambda count: FullES(pairs(count)),
        "nres": lambda count: NRES(pairs(count), 8),
        "pes": lambda count: PES(pairs(count), 8),
        "pes, regenerated noise": lambda count: PES(pairs(count), 8, regenerate=True),
    }
    for name, make in estimators.items():
        found = []
        for count, steps in ((8, 8), (8, 64), (8, 512), (64, 8), (512, 8)):
            problem, theta = recurrent(steps, batch=2)
            state = make(count).init(problem, theta, jr.key(0))
            compiled = jax.jit(make(count).estimate).lower(problem, theta, state, jr.key(0)).compile()
            temporary = compiled.memory_analysis().temp_size_in_bytes / 1e6
            carried = sum(leaf.nbytes for leaf in jax.tree.leaves(state) if eqx.is_inexact_array(leaf)) / 1e6
            found.append(f"{temporary:.2f} + {carried:.2f}")
        print(f"| {name} | {' | '.join(found)} |")
    print("8 runs or pairs x 8, 64, 512 steps; 64 and 512 x 8 steps. Temporary + carried between meta-steps.\n")


def overhead():
    print("Seconds of a meta-step, Adam included, over those of the bare unroll of as many runs: medians of 15 rounds")
    problem, theta = recurrent(40)
    window, pairs = 10, Population(8, 4)
    estimators = {
        "es": (AntitheticES(pairs, window), 64),
        "pes": (PES(pairs, window), 64),
        "nres": (NRES(pairs, window), 64),
        "gpes": (GPES(pairs, window), 64),
        "forward": (ForwardMode(pairs, window), 0),
        "tbptt": (TruncatedBackprop(Population(32), window), -32),
        "hybrid": (Hybrid(AntitheticES(pairs, window)), -64),
        "pes-analytic": (PESAnalytic(PES(pairs, window)), 0),
    }

    @jax.jit
    def bare(theta, states, keys):
        def window_of(state, key):
            step = lambda s, k: problem.step(theta, s, k)
            state, losses = jax.lax.scan(step, state, jr.split(key, window))
            return state, losses.sum()

        return jax.vmap(window_of)(states, keys)

    @jax.jit
    def differentiated(theta, states, keys):
        def total(theta, state, key):
            step = jax.checkpoint(lambda s, k: problem.step(theta, s, k))
            state, losses = jax.lax.scan(step, state, jr.split(key, window))
            return losses.sum(), state

        return jax.vmap(jax.grad(total, has_aux=True), (None, 0, 0))(theta, states, keys)

    for name, (estimator, runs) in estimators.items():
        if runs == 0:
            continue
        learner = MetaLearner((problem,), estimator, optax.adam(1e-3))
        state = learner.init(theta, jr.key(0))
        keys = jr.split(jr.key(1), abs(runs))
        states = jax.vmap(lambda key: problem.init(theta, key))(keys)
        plain = bare if runs > 0 else differentiated
        ratios, spent = [], []
        for index in range(30):
            start = time.perf_counter()
            for _ in range(10):
                jax.block_until_ready(plain(theta, states, keys))
            middle = time.perf_counter()
            for _ in range(10):
                state, metrics = jax.block_until_ready(learner.step(state, jr.key(2)))
            end = time.perf_counter()
            if index >= 15:  # The first rounds compile and warm up.
                ratios.append((end - middle) / (middle - start))
                spent.append((middle - start) / 10)
        print(f"| {name} | {1e3 * statistics.median(spent):.2f} ms | {statistics.median(ratios):.2f} |")


if __name__ == "__main__":
    memory()
    overhead()
