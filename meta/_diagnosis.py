import dataclasses
import math
import time
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ._problem import AbstractProblem
from .estimators import AbstractEstimator
from .particles._flat import ravel


@final
@dataclasses.dataclass(frozen=True)
class GradientSamples:
    """Independent samples of an estimator's meta-gradient at one theta, each the mean over the windows of an unroll.

    `variance` is the variance of one estimate, summed over parameters; `nonfinite` is the mean share of particles that
    are not finite; `inner_steps` and `seconds` are those of one estimate; `memory` is the number of bytes that
    computing an estimate takes beside its input and output.
    """

    means: np.ndarray  # [sample, parameter]
    variance: float
    nonfinite: float
    inner_steps: float
    seconds: float
    memory: int

    @property
    def mean(self) -> np.ndarray:
        """The mean of the samples."""
        return self.means.mean(0)

    @property
    def uncertainty(self) -> float:
        """Variance of `mean`, summed over parameters; infinite for a single sample."""
        count = len(self.means)
        return float(self.means.var(0, ddof=1).sum() / count) if count > 1 else math.inf


@final
@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """An estimator beside a reference. Lengths are in units of the reference's length.

    `bias` is the distance between the two means, less what chance alone would make of it; smaller ones than
    `resolution` can't be told from none. `variance` and `cosine` (to the reference) are those of one estimate.
    """

    bias: float
    resolution: float
    variance: float
    cosine: float
    nonfinite: float
    inner_steps: float
    seconds: float
    memory: int


def sample_gradients(
    estimator: AbstractEstimator, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray, samples: int = 8
) -> GradientSamples:
    """Estimates the meta-gradient at a fixed theta, from `samples` independent starts.

    Each start first takes as many estimates as an unroll has windows, until its particles are at different places of
    their unrolls; the same number of further estimates are then averaged.
    """
    windows = estimator.windows(problem)
    arrays, static = eqx.partition((estimator, problem, theta), eqx.is_array)
    program = jax.jit(lambda arrays, key, windows: _sums(eqx.combine(arrays, static), key, windows))
    compiled = program.lower(arrays, key, jnp.asarray(windows)).compile()
    memory = compiled.memory_analysis()
    found, seconds = [], []
    for index in range(samples):
        start = time.perf_counter()
        found.append(jax.tree.map(np.asarray, compiled(arrays, jr.fold_in(key, index), jnp.asarray(windows))))
        seconds.append((time.perf_counter() - start) / (2 * windows))
    sums = jax.tree.map(lambda *x: np.stack(x).astype(np.float64), *found)
    means = sums.total / np.maximum(sums.usable, 1)[:, None]
    square = sums.square.sum() / max(sums.usable.sum(), 1)
    count = max(sums.usable.sum(), 2)
    variance = max(square - (means.mean(0) ** 2).sum(), 0) * count / (count - 1)
    share = lambda total: float(total.mean() / windows)
    return GradientSamples(
        means,
        float(variance),
        share(sums.nonfinite),
        share(sums.inner_steps),
        float(np.median(seconds)),
        0 if memory is None else memory.temp_size_in_bytes,
    )


def diagnose(sampled: GradientSamples, reference: GradientSamples) -> Diagnosis:
    """Compares samples of an estimator with those of a reference, an estimator that is known to be unbiased."""
    length = float(np.linalg.norm(reference.mean)) or 1.0
    chance = sampled.uncertainty + reference.uncertainty
    distance = float(((sampled.mean - reference.mean) ** 2).sum())
    along = float(sampled.mean @ reference.mean) / length
    typical = math.sqrt(sampled.variance + float((sampled.mean**2).sum()))
    return Diagnosis(
        bias=math.sqrt(max(distance - chance, 0.0)) / length if math.isfinite(chance) else math.nan,
        resolution=math.sqrt(chance) / length,
        variance=sampled.variance / length**2,
        cosine=along / typical if typical > 0 else 0.0,
        nonfinite=sampled.nonfinite,
        inner_steps=sampled.inner_steps,
        seconds=sampled.seconds,
        memory=sampled.memory,
    )


class _Sums(eqx.Module):
    """Sums over the windows of an unroll."""

    total: Float[Array, " parameter"]
    square: Float[Array, ""]
    usable: Float[Array, ""]
    nonfinite: Float[Array, ""]
    inner_steps: Float[Array, ""]


def _sums(of: tuple[AbstractEstimator, AbstractProblem, PyTree], key: PRNGKeyArray, windows: Int[Array, ""]) -> _Sums:
    estimator, problem, theta = of
    vector, _, _ = ravel(theta)
    zero = jnp.zeros(())

    def step(index: Int[Array, ""], carry: tuple[PyTree, _Sums]) -> tuple[PyTree, _Sums]:
        state, sums = carry
        estimate, state = estimator.estimate(problem, theta, state, jr.fold_in(key, index + 1))
        gradient, _, _ = ravel(estimate.grad)
        counts = jnp.where(index >= windows, 1.0, 0.0)
        usable = counts * estimate.usable
        return state, _Sums(
            sums.total + usable * gradient,
            sums.square + usable * (gradient**2).sum(),
            sums.usable + usable,
            sums.nonfinite + counts * estimate.diagnostics.get("nonfinite", 1.0 - estimate.usable),
            sums.inner_steps + counts * estimate.inner_steps,
        )

    start = estimator.init(problem, theta, jr.fold_in(key, 0)), _Sums(jnp.zeros_like(vector), zero, zero, zero, zero)
    return jax.lax.fori_loop(0, 2 * windows, step, start)[1]
