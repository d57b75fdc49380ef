"""A readout of one's own. Run: metarule evaluate --readouts ridge own_readout:nearest_mean, in this folder."""

import jax.numpy as jnp


def nearest_mean(axes, targets):
    """Scores of the classes of the query examples: minus the squared distance to each class's mean."""
    support = axes.basis * jnp.sqrt(axes.variance)
    means = targets.T @ support / targets.sum(0)[:, None]
    return -((axes.query[:, None] - means) ** 2).sum(-1)
