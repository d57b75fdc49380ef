"""Twenty meta-steps with several estimators, by one of several processes: OUT PROCESSES INDEX PORT SINGLE|DOUBLE."""

import sys

import jax


OUT, PROCESSES, INDEX, PORT, PRECISION = sys.argv[1:]
jax.config.update("jax_enable_x64", PRECISION == "double")
if PROCESSES != "1":  # Before anything is imported that makes arrays.
    jax.distributed.initialize(f"localhost:{PORT}", int(PROCESSES), int(INDEX))

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from metarule.meta import AbstractProblem, Length, mesh_of, MetaLearner, replicate_to_mesh
from metarule.meta.estimators import (
    AntitheticES,
    EvosaxSearch,
    ForwardMode,
    FullBackprop,
    Hybrid,
    Noise,
    NRES,
    PES,
    Population,
    RankShaping,
    TruncatedBackprop,
)


class Recurrent(AbstractProblem):
    """A recurrent network whose weights are theta, with a batched decomposition in its loss."""

    horizon: Length

    def init(self, theta, key):
        return jr.normal(key, (4, 6), theta.dtype)

    def step(self, theta, state, key):
        state = jnp.tanh(state @ theta + 0.1 * jr.normal(key, state.shape, theta.dtype))
        gram = state.T @ state + jnp.eye(6, dtype=theta.dtype)
        return state, ((state - 0.5) ** 2).mean() + 0.01 * jnp.linalg.slogdet(gram)[1]


PAIRS, NOISE = Population(4, 2), Noise(0.1)
ESTIMATORS = {
    "tbptt": TruncatedBackprop(Population(8), 4),
    "es": AntitheticES(PAIRS, 4, NOISE),
    "pes": PES(PAIRS, 4, NOISE),
    "nres": NRES(PAIRS, 4, NOISE),
    "hybrid": Hybrid(AntitheticES(PAIRS, 4, NOISE)),
    "independent": Hybrid(NRES(PAIRS, 4, NOISE), independent=True),  # Even and odd groups, on any devices.
}
MORE = {
    "one task": PES(Population(1, 8), 4, NOISE),
    "chunks": PES(Population(8, 2, chunk=2), 4, NOISE),
    "ranks": NRES(PAIRS, 4, NOISE, RankShaping()),
    "lengths": PES(PAIRS, 4, NOISE),
    "whole": FullBackprop(Population(4)),
    "forward": ForwardMode(PAIRS, 4),
    "search": EvosaxSearch(members=8, tasks=2),
}


def learned(name, estimator):
    """Theta after twenty steps, on whatever devices there are."""
    horizon = Length(8, 16) if name == "lengths" else Length(16)
    theta = replicate_to_mesh(jr.normal(jr.key(5), (6, 6), float) / 8)
    learner = MetaLearner((Recurrent(horizon),), estimator, optax.adam(1e-2))
    state = eqx.filter_jit(learner.init)(theta, replicate_to_mesh(jr.key(1)))
    for _ in range(20):
        state, _ = learner.step(state, replicate_to_mesh(jr.key(2)))
    return np.asarray(state.theta)


which = ESTIMATORS | MORE if PROCESSES == "1" and PRECISION == "double" else ESTIMATORS
with jax.set_mesh(mesh_of(jax.devices())):
    found = {name: learned(name, estimator) for name, estimator in which.items()}
if INDEX == "0":
    np.savez(OUT, devices=jax.device_count(), **found)
