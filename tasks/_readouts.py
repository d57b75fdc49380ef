from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int


PENALTIES = tuple(10.0**power for power in range(-4, 4))
"""Ridge penalties to choose among, relative to the support set's mean variance along its principal axes."""

_VARIANCE = 32.0
_Parameters = tuple[Float[Array, "axis target"], Float[Array, " target"]]


def ridge_accuracy(
    support_features: Float[Array, "support feature"],
    support_labels: Int[Array, " support"],
    query_features: Float[Array, "query feature"],
    query_labels: Int[Array, " query"],
    classes: int,
) -> Float[Array, ""]:
    """Share of the query set that a ridge readout of the support set's one-hot labels gets right."""
    targets = jax.nn.one_hot(support_labels, classes, dtype=support_features.dtype)
    scores = ridge_scores(support_features, targets, query_features)
    return (scores.argmax(1) == query_labels).mean(dtype=scores.dtype)


def logistic_accuracy(
    support_features: Float[Array, "support feature"],
    support_labels: Int[Array, " support"],
    query_features: Float[Array, "query feature"],
    query_labels: Int[Array, " query"],
    classes: int,
) -> Float[Array, ""]:
    """Share of the query set that a logistic readout (C = 1) of the support set gets right."""
    targets = jax.nn.one_hot(support_labels, classes, dtype=support_features.dtype)
    scores = logistic_scores(support_features, targets, query_features)
    return (scores.argmax(1) == query_labels).mean(dtype=scores.dtype)


def ridge_scores(
    support_features: Float[Array, "support feature"],
    support_targets: Float[Array, "support target"],
    query_features: Float[Array, "query feature"],
    penalties: tuple[float, ...] = PENALTIES,
) -> Float[Array, "query target"]:
    """Ridge regression with an intercept, in closed form; one penalty for all targets.

    The penalty is the one with the least squared leave-one-out error on the support set, so the query set has no say in
    it. Features are centred but keep their relative scales: dividing each by its own deviation over a few examples
    blows up those that hardly vary (on raw MNIST pixels it costs 2 points). No scale of all features changes anything.
    """
    own = _principal(support_features, query_features)
    mean = support_targets.mean(0)
    centred = support_targets - mean
    count = support_features.shape[0]
    projected = own.basis.T @ centred

    def leave_one_out(penalty):
        share = own.variance / (own.variance + penalty)
        residual = centred - own.basis @ (share[:, None] * projected)
        leverage = 1 / count + (own.basis**2) @ share
        return ((residual / (1 - leverage)[:, None]) ** 2).sum()

    grid = jnp.asarray(penalties, centred.dtype) * jnp.maximum(own.variance.mean(), 1e-30)
    penalty = grid[jnp.argmin(jax.vmap(leave_one_out)(grid))]
    weights = jnp.sqrt(own.variance) / (own.variance + penalty)
    return mean + own.query @ (weights[:, None] * projected)


def logistic_scores(
    support_features: Float[Array, "support feature"],
    support_targets: Float[Array, "support target"],
    query_features: Float[Array, "query feature"],
    inverse_penalty: float = 1.0,
) -> Float[Array, "query target"]:
    """Log-probabilities of multinomial logistic regression with a squared penalty on all but the intercept.

    It minimises `inverse_penalty` times the summed cross-entropy plus half the squared weights, by L-BFGS, as
    scikit-learn's `LogisticRegression(C=inverse_penalty)`. All features are first divided by one number, so that their
    total variance over the support set is 32 and the penalty means the same for every encoder.
    """
    own = _principal(support_features, query_features)
    count = support_features.shape[0]
    scale = jnp.sqrt(_VARIANCE * count / jnp.maximum(own.variance.sum(), 1e-30))
    deviation = scale * jnp.sqrt(own.variance)
    support = own.basis * deviation
    # Along its principal axes the problem's curvature is about this: dividing by it makes L-BFGS quick.
    stretch = jax.lax.rsqrt(1 + 0.1 * inverse_penalty * deviation**2)[:, None]

    def log_probabilities(weights, bias, examples):
        return jax.nn.log_softmax(examples @ (stretch * weights) + bias)

    def loss(parameters):
        weights, bias = parameters
        entropy = -(support_targets * log_probabilities(weights, bias, support)).sum()
        return entropy + 0.5 / inverse_penalty * ((stretch * weights) ** 2).sum()

    classes = support_targets.shape[1]
    start = jnp.zeros((deviation.shape[0], classes), support.dtype), jnp.zeros((classes,), support.dtype)
    weights, bias = _minimise(loss, start)
    return log_probabilities(weights, bias, scale * own.query)


@final
class _Principal(eqx.Module):
    """Support and query along the support's principal axes: a readout with a squared penalty sees nothing else."""

    basis: Float[Array, "support axis"]
    variance: Float[Array, " axis"]
    query: Float[Array, "query axis"]


def _principal(support: Float[Array, "support feature"], query: Float[Array, "query feature"]) -> _Principal:
    mean = support.mean(0)
    centred = support - mean
    variance, basis = jnp.linalg.eigh(centred @ centred.T)
    present = variance > 1e-6 * jnp.maximum(variance[-1], 1e-30)
    variance = jnp.where(present, variance, 0)
    basis = jnp.where(present, basis, 0)
    along = ((query - mean) @ centred.T) @ basis
    return _Principal(basis, variance, along * jnp.where(present, jax.lax.rsqrt(jnp.where(present, variance, 1)), 0))


def _minimise(loss: Callable[[_Parameters], Array], start: _Parameters) -> _Parameters:
    """L-BFGS until the gradient's norm is below 1e-3, or for 100 steps."""
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
