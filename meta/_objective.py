import abc
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..models import Model
from ..one_by_one import one_by_one
from ..precision import full_precision
from ..tasks import Episode


class AbstractObjective(eqx.Module):
    """Scores a base model on a few-shot problem. The one place where meta-training sees labels."""

    @abc.abstractmethod
    def __call__(self, model: Model, episode: Episode) -> Float[Array, ""]:
        """The loss; lower is better."""


class AbstractScore(eqx.Module):
    """How far predictions are from targets, example by example."""

    @abc.abstractmethod
    def __call__(
        self, prediction: Float[Array, "query target"], target: Float[Array, "query target"]
    ) -> Float[Array, " query"]:
        """One number for each example."""


@final
class Squared(AbstractScore):
    """The squared distance."""

    def __call__(
        self, prediction: Float[Array, "query target"], target: Float[Array, "query target"]
    ) -> Float[Array, " query"]:
        return ((prediction - target) ** 2).sum(1)


@final
class Cosine(AbstractScore):
    """The squared distance after predictions are scaled to unit length: 2 - 2 cos for targets of unit length."""

    def __call__(
        self, prediction: Float[Array, "query target"], target: Float[Array, "query target"]
    ) -> Float[Array, " query"]:
        return Squared()(prediction / jnp.sqrt((prediction**2).sum(1, keepdims=True)), target)


@final
class Hinge(AbstractScore):
    """What the cosine score exceeds one by."""

    def __call__(
        self, prediction: Float[Array, "query target"], target: Float[Array, "query target"]
    ) -> Float[Array, " query"]:
        return jnp.maximum(Cosine()(prediction, target) - 1, 0.0)


@final
class RidgeObjective(AbstractObjective):
    """Ridge regression on the support set in closed form, scored on the query set (arXiv 1804.00222, equation 2).

    Support and query set pass through the base model in one batch. Targets are centred by their global mean and
    scaled to a mean square row norm of one (`normalise_targets`); `signed_targets` makes 0/1 targets -1/+1 first.
    `normalise_features` scales every feature to unit length over both sets. `query_share` mixes the score of the
    query set with the squared error on the support set.
    """

    score: AbstractScore = Cosine()
    ridge: float | Float[Array, ""] = 0.1
    """L2 penalty of the readout."""
    normalise_targets: bool = eqx.field(static=True, default=True)
    """Whether targets are centred and scaled to a mean square row norm of one."""
    signed_targets: bool = eqx.field(static=True, default=False)
    """Whether 0/1 targets become -1/+1 first."""
    normalise_features: bool = eqx.field(static=True, default=False)
    """Whether every feature is scaled to unit length over both sets."""
    query_share: float | Float[Array, ""] = 1.0
    """Share of the query set's score in the loss; the rest is the squared error on the support set."""

    def __call__(self, model: Model, episode: Episode) -> Float[Array, ""]:
        features, _ = model(jnp.concatenate([episode.support_x, episode.query_x]))
        if self.normalise_features:
            features = features * jax.lax.rsqrt(jnp.maximum((features**2).sum(0), 1e-12))
        return self.on_features(features, episode.support_y, episode.query_y)

    @full_precision
    def on_features(
        self,
        features: Float[Array, "both feature"],
        support_y: Float[Array, "support target"],
        query_y: Float[Array, "query target"],
    ) -> Float[Array, ""]:
        """The loss of given features."""
        count = support_y.shape[0]
        support, query = features[:count], features[count:]
        support_y, query_y = self._targets(support_y), self._targets(query_y)
        weights = ridge_regression(support, support_y, self.ridge)
        penalty = self.ridge * (weights[:-1] ** 2).sum() / query.shape[0]
        on_query = self.score(_predict(query, weights), query_y).mean()
        on_support = Squared()(_predict(support, weights), support_y).mean()
        return self.query_share * on_query + (1 - self.query_share) * on_support + penalty

    def _targets(self, y: Float[Array, "example target"]) -> Float[Array, "example target"]:
        if self.signed_targets:
            y = 2 * y - 1
        if self.normalise_targets:
            y = y - y.mean()
            y = y * jax.lax.rsqrt((y**2).sum(1).mean())
        return y


@full_precision
def ridge_regression(
    features: Float[Array, "example feature"], targets: Float[Array, "example target"], ridge: float | Float[Array, ""]
) -> Float[Array, "feature+1 target"]:
    """Least squares with an L2 penalty on all weights but the last row, the bias. In closed form.

    Solved by Cholesky factors whose own derivative is never taken: the implicit derivative of the linear system
    reuses them, which is hundreds of times cheaper under vmap on a CPU.
    """
    design = jnp.concatenate([features, jnp.ones_like(features[:, :1])], 1)
    penalty = ridge * jnp.ones(design.shape[1], design.dtype).at[-1].set(0.0)
    gram = design.T @ design + jnp.diag(penalty)

    def solve(_, right: Array) -> Array:
        return one_by_one(_cholesky_solve)(jax.lax.stop_gradient(gram), right)

    return jax.lax.custom_linear_solve(lambda w: gram @ w, design.T @ targets, solve, symmetric=True)


def _cholesky_solve(matrix: Float[Array, "row row"], right: Float[Array, "row column"]) -> Float[Array, "row column"]:
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(matrix), right)


def _predict(
    features: Float[Array, "example feature"], weights: Float[Array, "feature+1 target"]
) -> Float[Array, "example target"]:
    return features @ weights[:-1] + weights[-1]
