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
from .estimators import AbstractEstimator, AbstractParticles
from .particles._flat import ravel


@final
@dataclasses.dataclass(frozen=True)
class Sampled:
    """Independent samples of an estimator's meta-gradient at one theta, each the mean over an episode's windows.

    `variance` is that of one estimate, summed over parameters; `inner_steps` and `seconds` are those of one estimate,
    and `memory` the bytes that computing it takes beside its input and output.
    """

    means: np.ndarray  # [sample, parameter]
    variance: float
    nonfinite: float
    inner_steps: float
    seconds: float
    memory: int

    @property
    def mean(self) -> np.ndarray:
        """The best guess at what the estimator estimates."""
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


def sample(
    estimator: AbstractEstimator, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray, samples: int = 8
) -> Sampled:
    """Estimates the meta-gradient at a fixed theta, from `samples` independent starts.

    Each start is left alone for an episode, until its particles stand anywhere in theirs, and then estimated from in
    every window of another.
    """
    windows = _windows(estimator, problem)
    arrays, static = eqx.partition((estimator, problem, theta), eqx.is_array)
    episode = jax.jit(lambda arrays, key, windows: _episode(eqx.combine(arrays, static), key, windows))
    compiled = episode.lower(arrays, key, jnp.asarray(windows)).compile()
    memory = compiled.memory_analysis()
    found, seconds = [], []
    for index in range(samples):
        start = time.perf_counter()
        found.append(jax.tree.map(np.asarray, compiled(arrays, jr.fold_in(key, index), jnp.asarray(windows))))
        seconds.append((time.perf_counter() - start) / (2 * windows))
    episodes = jax.tree.map(lambda *x: np.stack(x).astype(np.float64), *found)
    means = episodes.total / np.maximum(episodes.usable, 1)[:, None]
    square = episodes.square.sum() / max(episodes.usable.sum(), 1)
    count = max(episodes.usable.sum(), 2)
    variance = max(square - (means.mean(0) ** 2).sum(), 0) * count / (count - 1)
    share = lambda total: float(total.mean() / windows)
    return Sampled(
        means,
        float(variance),
        share(episodes.nonfinite),
        share(episodes.inner_steps),
        float(np.median(seconds)),
        0 if memory is None else memory.temp_size_in_bytes,
    )


def diagnose(sampled: Sampled, reference: Sampled) -> Diagnosis:
    """What samples of an estimator say beside those of one that is known to be right."""
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


class _Episode(eqx.Module):
    """Sums over an episode's windows."""

    total: Float[Array, " parameter"]
    square: Float[Array, ""]
    usable: Float[Array, ""]
    nonfinite: Float[Array, ""]
    inner_steps: Float[Array, ""]


def _episode(
    of: tuple[AbstractEstimator, AbstractProblem, PyTree], key: PRNGKeyArray, windows: Int[Array, ""]
) -> _Episode:
    estimator, problem, theta = of
    vector, _, _ = ravel(theta)
    zero = jnp.zeros(())

    def step(index: Int[Array, ""], carry: tuple[PyTree, _Episode]) -> tuple[PyTree, _Episode]:
        state, sums = carry
        estimate, state = estimator.estimate(problem, theta, state, jr.fold_in(key, index + 1))
        gradient, _, _ = ravel(estimate.grad)
        counts = jnp.where(index >= windows, 1.0, 0.0)
        usable = counts * estimate.usable
        return state, _Episode(
            sums.total + usable * gradient,
            sums.square + usable * (gradient**2).sum(),
            sums.usable + usable,
            sums.nonfinite + counts * estimate.diagnostics["nonfinite"],
            sums.inner_steps + counts * estimate.diagnostics["inner_steps"],
        )

    start = estimator.init(problem, theta, jr.fold_in(key, 0)), _Episode(jnp.zeros_like(vector), zero, zero, zero, zero)
    return jax.lax.fori_loop(0, 2 * windows, step, start)[1]


def _windows(estimator: AbstractEstimator, problem: AbstractProblem) -> int:
    """How many estimates an episode takes."""
    window = estimator.plan.window if isinstance(estimator, AbstractParticles) else None
    return 1 if window is None else math.ceil(problem.horizon.maximum / window.maximum)
