from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from ..one_by_one import one_by_one
from ..precision import full_precision


PENALTIES = tuple(10.0**power for power in range(-4, 4))
"""Candidate ridge penalties, relative to the support set's mean variance along its principal axes."""

_VARIANCE = 32.0
_Parameters = tuple[Float[Array, "axis target"], Float[Array, " target"]]


@final
class PrincipalAxes(eqx.Module):
    """Support and query features projected on the support set's principal axes: as many axes as support examples.

    A linear readout with a squared penalty gives the same scores on these projections as on the features, and is
    cheaper. The support projections are `basis * sqrt(variance)`, where `variance` sums over examples.
    """

    basis: Float[Array, "support axis"]
    variance: Float[Array, " axis"]
    query: Float[Array, "query axis"]

    @classmethod
    @full_precision
    def of(cls, support: Float[Array, "support feature"], query: Float[Array, "query feature"]) -> "PrincipalAxes":
        """Computes the principal axes of the centred support features, from the eigenvectors of their Gram matrix."""
        mean = support.mean(0)
        centred = support - mean
        variance, basis = one_by_one(jnp.linalg.eigh)(centred @ centred.T)
        # Rounding leaves tiny eigenvalues along axes without variance, which a division would blow up.
        present = variance > 1e-6 * jnp.maximum(variance[-1], 1e-30)
        variance = jnp.where(present, variance, 0)
        basis = jnp.where(present, basis, 0)
        along = ((query - mean) @ centred.T) @ basis
        return cls(basis, variance, along * jnp.where(present, jax.lax.rsqrt(jnp.where(present, variance, 1)), 0))


def accuracy(scores: Float[Array, "query class"], labels: Int[Array, " query"]) -> Float[Array, ""]:
    """Returns the fraction of queries whose true class has the highest score."""
    return (scores.argmax(1) == labels).mean(dtype=scores.dtype)


@full_precision
def ridge_scores(
    axes: PrincipalAxes,
    targets: Float[Array, "support target"],
    penalties: tuple[float, ...] = PENALTIES,
) -> Float[Array, "query target"]:
    """Returns the query scores of ridge regression with an intercept, in closed form; one penalty for all targets.

    The penalty is the candidate with the least squared leave-one-out error on the support set. Features are centred but
    not standardised. A common scale of all features changes nothing.
    """
    mean = targets.mean(0)
    grid = _grid(axes, penalties)
    penalty = grid[jnp.argmin(ridge_errors(axes, targets, penalties))]
    weights = jnp.sqrt(axes.variance) / (axes.variance + penalty)
    return mean + axes.query @ (weights[:, None] * (axes.basis.T @ (targets - mean)))


@full_precision
def ridge_errors(
    axes: PrincipalAxes,
    targets: Float[Array, "support target"],
    penalties: tuple[float, ...] = PENALTIES,
) -> Float[Array, " penalty"]:
    """Returns the squared leave-one-out errors of ridge regression on the support set, one for each penalty."""
    centred = targets - targets.mean(0)
    count = axes.basis.shape[0]
    projected = axes.basis.T @ centred

    def leave_one_out(penalty):
        share = axes.variance / (axes.variance + penalty)
        residual = centred - axes.basis @ (share[:, None] * projected)
        leverage = 1 / count + (axes.basis**2) @ share
        return ((residual / (1 - leverage)[:, None]) ** 2).sum()

    return jax.vmap(leave_one_out)(_grid(axes, penalties))


def _grid(axes: PrincipalAxes, penalties: tuple[float, ...]) -> Float[Array, " penalty"]:
    return jnp.asarray(penalties, axes.variance.dtype) * jnp.maximum(axes.variance.mean(), 1e-30)


@full_precision
def logistic_scores(
    axes: PrincipalAxes,
    targets: Float[Array, "support target"],
    inverse_penalty: float = 1.0,
) -> Float[Array, "query target"]:
    """Returns the query log-probabilities of multinomial logistic regression, fitted by L-BFGS.

    The loss is `inverse_penalty` times the summed cross-entropy plus half the squared weights without the intercept, as
    in scikit-learn's `LogisticRegression(C=inverse_penalty)`. All features are first divided by one number, so that
    their total variance over the support set is 32 and the penalty means the same for every encoder.
    """
    count = axes.basis.shape[0]
    scale = jnp.sqrt(_VARIANCE * count / jnp.maximum(axes.variance.sum(), 1e-30))
    deviation = scale * jnp.sqrt(axes.variance)
    support = axes.basis * deviation
    # A preconditioner: the loss has about this curvature along the principal axes, so L-BFGS needs fewer steps.
    preconditioner = jax.lax.rsqrt(1 + 0.1 * inverse_penalty * deviation**2)[:, None]

    def log_probabilities(weights, bias, examples):
        return jax.nn.log_softmax(examples @ (preconditioner * weights) + bias)

    def loss(parameters):
        weights, bias = parameters
        entropy = -(targets * log_probabilities(weights, bias, support)).sum()
        return entropy + 0.5 / inverse_penalty * ((preconditioner * weights) ** 2).sum()

    classes = targets.shape[1]
    start = jnp.zeros((deviation.shape[0], classes), support.dtype), jnp.zeros((classes,), support.dtype)
    weights, bias = _minimise(loss, start)
    return log_probabilities(weights, bias, scale * axes.query)


def _minimise(loss: Callable[[_Parameters], Array], start: _Parameters) -> _Parameters:
    """Minimises a loss by L-BFGS until the gradient's norm is below 1e-3, for at most 100 steps."""
    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def unfinished(carry):
        _, _, count, size = carry
        return (count < 100) & (size > 1e-3)

    def step(carry):
        parameters, state, count, _ = carry
        value, grad = value_and_grad(parameters, state=state)
        updates, state = solver.update(grad, state, parameters, value=value, grad=grad, value_fn=loss)
        return eqx.apply_updates(parameters, updates), state, count + 1, optax.tree_utils.tree_norm(grad)

    size = jnp.full_like(start[0][0, 0], jnp.inf)
    return jax.lax.while_loop(unfinished, step, (start, solver.init(start), 0, size))[0]
