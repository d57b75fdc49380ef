"""Measures what a meta-step computes and sends: python docs/measure_pods.py [PRESET] > measured.json

For each estimator: floating-point operations of one meta-step of one particle, by XLA's own count for one inner step
(forward, and backward with what is computed again) times the steps of a window; bytes that a device hands to sums over
all devices, and the number of these sums, read from the program compiled for two devices.
"""

import json
import os
import re
import sys


os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from metarule.launch.options._estimators import ESTIMATORS
from metarule.launch.options._presets import PRESETS
from metarule.launch.options._problems import problems_of
from metarule.meta import AbstractProblem, Length, mesh_of, replicate_to_mesh


class Stub(AbstractProblem):
    """A problem without inner work: what is sent depends on theta alone."""

    horizon: Length

    def init(self, theta, key):
        return jnp.zeros(())

    def step(self, theta, state, key):
        total = sum(jnp.tanh(leaf).sum() for leaf in jax.tree.leaves(eqx.filter(theta, eqx.is_inexact_array)))
        return state, total + jr.normal(key)


RUNS = {"tbptt": 0, "es": 2, "pes": 2, "nres": 2, "hybrid": 0}
BACKWARD = {"tbptt": 1, "hybrid": 2}
SIZES = {"f64": 8, "f32": 4, "s32": 4, "u32": 4, "bf16": 2, "pred": 1}


def flops(function, *arguments):
    return eqx.filter_jit(function).lower(*arguments).compile().compiled.cost_analysis()["flops"]


def inner_step(problem, theta):
    """Operations of one inner step, and of one with its gradient and what is computed again for it."""
    state = problem.init(theta, jr.key(0))
    forward = flops(lambda theta, state: problem.step(theta, state, jr.key(1)), theta, state)

    def loss(theta, state):
        after, value = problem.step(theta, state, jr.key(1))
        moving = jax.tree.leaves(eqx.filter(after, eqx.is_inexact_array))
        return value + sum(leaf.sum() for leaf in moving)

    return forward, forward + flops(lambda theta, state: eqx.filter_grad(loss)(theta, state), theta, state)


def sent(estimator, theta):
    """Bytes that one device hands to sums over all devices in a meta-step, and the number of the sums."""
    with jax.set_mesh(mesh_of(jax.devices())):
        theta, key = replicate_to_mesh(theta), replicate_to_mesh(jr.key(0))
        problem = Stub(Length(40))
        state = eqx.filter_jit(estimator.init)(problem, theta, key)
        text = eqx.filter_jit(estimator.estimate).lower(problem, theta, state, key).compile().compiled.as_text()
    total = count = 0
    for line in text.splitlines():
        if found := re.search(r"= (.*?) (?:all-reduce|all-gather)(?:-start)?\(", line):
            count += 1
            for kind, sizes in re.findall(r"(f64|f32|s32|u32|bf16|pred)\[([\d,]*)\]", found[1]):
                total += SIZES[kind] * _product(sizes)
    return total, count


def _product(sizes):
    result = 1
    for size in filter(None, sizes.split(",")):
        result *= int(size)
    return result


def main(preset="quick"):
    training = PRESETS[preset]
    (problem, *_), _ = problems_of(training, None)
    theta = training.rule.build(jr.key(0))
    forward, backward = inner_step(problem, theta)
    window = training.estimator.window.maximum
    rows = {}
    for name, runs in RUNS.items():
        particles = 1 if name == "tbptt" else 4
        steps = runs * forward + BACKWARD.get(name, 0) * backward
        size, count = sent(ESTIMATORS[name](8, Length(20)), theta)
        rows[name] = {"flops_per_task": particles * window * steps, "bytes": size, "sums": count}
    parameters = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(theta, eqx.is_inexact_array)))
    print(json.dumps({"preset": preset, "window": window, "parameters": parameters, "estimators": rows}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
