from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..errors import BadInput
from ..meta import AbstractProblem, Length
from ..meta.estimators import AbstractEstimator, Estimate, ravel
from ._compare import close, difference, trace


Subject = tuple[AbstractEstimator, AbstractProblem, PyTree]
"""An estimator, and the problem and theta that it is tried on."""


def check_estimator_form(estimator: AbstractEstimator, problem: AbstractProblem, theta: PyTree) -> None:
    """Raises `BadInput` if a method does not return what its interface says. Traces shapes; computes nothing.

    The sentence names the method and what it must return.
    """
    name, key = type(estimator).__name__, jax.eval_shape(lambda: jr.key(0))
    state = trace(f"{name}.init", estimator.init, problem, theta, key)
    returned = trace(f"{name}.estimate", estimator.estimate, problem, theta, state, key)
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise BadInput(f"{name}.estimate must return (Estimate, state); it returns a {type(returned).__name__}.")
    estimate, after = returned
    if not isinstance(estimate, Estimate):
        raise BadInput(f"{name}.estimate must return (Estimate, state); the first is a {type(estimate).__name__}.")
    learned = eqx.filter(theta, eqx.is_inexact_array)
    for field, found in (("grad", estimate.grad), ("variance", estimate.variance)):
        if differs := difference(found, learned):
            raise BadInput(
                f"{name}.estimate must return an Estimate whose {field} is shaped like theta's float arrays; {differs}."
            )
    for field in ("loss", "usable", "inner_steps"):
        if jnp.shape(getattr(estimate, field)) != ():
            raise BadInput(f"{name}.estimate must return an Estimate whose {field} is a single number.")
    if differs := difference(after, state):
        raise BadInput(f"{name}.estimate must return a state shaped like the one that {name}.init returns; {differs}.")
    windows = estimator.windows(problem)
    if not isinstance(windows, int) or windows < 1:
        raise BadInput(f"{name}.windows must return a whole number of 1 or more; it returns {windows!r}.")
    estimator.check_devices(1)


def check_estimator(
    estimator: AbstractEstimator,
    problem: AbstractProblem,
    theta: PyTree,
    *,
    gradient: Float[Array, " parameter"] | None = None,
    key: PRNGKeyArray | None = None,
) -> None:
    """Tests what every estimator promises, on a problem of one's choice: best a small one.

    These are the forms of what its methods return; the same numbers for the same key, compiled or not; other numbers
    for another key, unless nothing is random; `vmap` over keys; a state that can be written and read between two
    meta-steps; that losses which are not finite are told by `usable`, or do not reach `grad` where only some of them
    are not; and that it recovers from them within an unroll.

    With `gradient`, the true one as a vector in the order of `ravel`, the mean of 400 estimates must agree with it
    within 4.5 standard errors in every parameter: over the windows of whole unrolls, if there are several.

    Raises `BadInput` for a wrong form, and `AssertionError` with a sentence for a broken promise.
    """
    key = jr.key(0) if key is None else key
    name = type(estimator).__name__
    estimator.check(problem, theta, key)
    check_estimator_form(estimator, problem, theta)
    step = eqx.filter_jit(lambda state, key: estimator.estimate(problem, theta, state, key))
    state = eqx.filter_jit(estimator.init)(problem, theta, jr.fold_in(key, 0))
    first, after = step(state, jr.fold_in(key, 1))
    again, _ = step(state, jr.fold_in(key, 1))
    same = close(_arrays(first), _arrays(again), 0.0)
    assert same, f"{name}.estimate must return the same for the same state and key: it hides a state."
    eager, _ = estimator.estimate(problem, theta, state, jr.fold_in(key, 1))
    assert close(_arrays(first), _arrays(eager), 1e-3), f"{name}.estimate must return the same with and without jit."
    many = jax.vmap(lambda key: _arrays(step(state, key)[0]))(jax.vmap(lambda i: jr.fold_in(key, i))(jnp.arange(1, 3)))
    one = jax.tree.map(lambda leaf: leaf[0], many)
    assert close(_arrays(first), one, 1e-3), f"{name}.estimate must return the same under vmap over keys."
    second, _ = step(after, jr.fold_in(key, 2))
    resumed, _ = step(_written_and_read(after), jr.fold_in(key, 2))
    assert close(_arrays(second), _arrays(resumed), 0.0), (
        f"{name}'s state must hold everything that the next meta-step depends on."
    )
    _check_not_finite((estimator, problem, theta), key)
    if gradient is not None:
        _check_unbiased((estimator, problem, theta), gradient, key)


@final
class _NotFinite(AbstractProblem[Any]):
    """A problem whose loss is NaN in a share of the unrolls."""

    problem: AbstractProblem
    horizon: Length
    share: Float[Array, ""]

    def init(self, theta: PyTree, key: PRNGKeyArray) -> Any:
        init_key, share_key = jr.split(key)
        return self.problem.init(theta, init_key), jr.uniform(share_key) < self.share

    def step(self, theta: PyTree, state: Any, key: PRNGKeyArray) -> tuple[Any, Float[Array, ""]]:
        inner, fails = state
        inner, loss = self.problem.step(theta, inner, key)
        return (inner, fails), jnp.where(fails, jnp.nan, loss)


def _check_not_finite(subject: Subject, key: PRNGKeyArray) -> None:
    estimator, problem, theta = subject
    name, windows = type(estimator).__name__, estimator.windows(problem)
    init, step = eqx.filter_jit(estimator.init), eqx.filter_jit(estimator.estimate)

    def run(share: float, state: PyTree | None, count: int) -> tuple[list[Estimate], PyTree]:
        # The share is an array, so that one program serves for all of them.
        ailing = _NotFinite(problem=problem, horizon=problem.horizon, share=jnp.array(share))
        state, found = init(ailing, theta, key) if state is None else state, []
        for index in range(count):
            estimate, state = step(ailing, theta, state, jr.fold_in(key, index + 1))
            found.append(estimate)
        return found, state

    dead, state = run(1.0, None, windows)
    assert not any(estimate.usable for estimate in dead), (
        f"{name}.estimate must return an Estimate with usable=False where no loss is finite."
    )
    recovered, _ = run(0.0, state, 2 * windows)
    assert recovered[-1].usable, f"{name}.estimate must be usable again when losses have been finite for an unroll."
    for estimate in run(0.5, None, max(8, windows))[0]:
        finite = all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((estimate.grad, estimate.loss)))
        assert finite or not estimate.usable, (
            f"{name}.estimate must leave losses that are not finite out of grad and loss, or say usable=False."
        )


def _check_unbiased(subject: Subject, gradient: Float[Array, " parameter"], key: PRNGKeyArray) -> None:
    estimator, problem, theta = subject
    windows = estimator.windows(problem)

    @eqx.filter_jit
    def mean(key: PRNGKeyArray) -> Float[Array, " parameter"]:
        state, total = estimator.init(problem, theta, jr.fold_in(key, 0)), jnp.zeros_like(gradient)
        for index in range(2 * windows):  # The first unroll may be cut short: the second counts.
            estimate, state = estimator.estimate(problem, theta, state, jr.fold_in(key, index + 1))
            total = total + (index >= windows) * ravel(estimate.grad)[0]
        return total / windows

    found = np.stack([np.asarray(mean(jr.fold_in(key, index))) for index in range(400)])
    error = found.std(0, ddof=1) / np.sqrt(len(found)) + 1e-6
    off = np.abs(found.mean(0) - np.asarray(gradient)) / error
    assert (off < 4.5).all(), (
        f"{type(estimator).__name__} is biased: the mean of 400 estimates is {off.max():.1f} standard errors from the "
        "gradient that was given."
    )


def _arrays(estimate: Estimate) -> list[Array]:
    """The finite part of an estimate: infinities, such as an unknown variance, count as zero."""
    return [jnp.nan_to_num(leaf, posinf=0.0) for leaf in jax.tree.leaves(estimate) if eqx.is_inexact_array(leaf)]


def _written_and_read(state: PyTree) -> PyTree:
    """The state as a checkpoint gives it back: new arrays with the same numbers."""

    def copied(leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jr.wrap_key_data(jnp.asarray(np.asarray(jr.key_data(leaf))), impl=jr.key_impl(leaf))
        return jnp.asarray(np.asarray(leaf))

    leaves, structure = jax.tree.flatten(state)
    return jax.tree.unflatten(structure, [copied(leaf) for leaf in leaves])
