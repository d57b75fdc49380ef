"""An objective of one's own. Run: metarule train --objective own_objective:Prototypes, in this folder."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from metarule.meta import AbstractObjective


@final
class Prototypes(AbstractObjective):
    """Cross-entropy of a classifier by the nearest class mean of the features (arXiv 1703.05175)."""

    temperature: float = eqx.field(static=True, default=1.0)
    """Squared distances, in units of their mean, are divided by this."""

    def __call__(self, model, episode):
        features, _ = model(jnp.concatenate([episode.support_x, episode.query_x]))
        support, query = features[: len(episode.support_x)], features[len(episode.support_x) :]
        means = episode.support_y.T @ support / jnp.maximum(episode.support_y.sum(0)[:, None], 1)
        distances = ((query[:, None] - means) ** 2).sum(-1)
        logits = -distances / (self.temperature * (distances.mean() + 1e-6))
        return -(episode.query_y * jax.nn.log_softmax(logits)).sum(1).mean()
