"""An encoder of one's own. Run: metarule evaluate --encoders raw own_encoder:RandomFourier, in this folder."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from metarule import AbstractEncoder, EncoderCost


@final
class RandomFourier(AbstractEncoder):
    """Cosines of random projections, which approximate a Gaussian kernel (Rahimi and Recht, NIPS 2007)."""

    features: int = eqx.field(static=True, default=256)
    width: float = 1.0
    """Of the kernel, in units of the inputs' root mean squared distance."""

    def __call__(self, problem, key):
        weight_key, phase_key = jr.split(key)
        distance = jnp.sqrt(2 * problem.train.var(0).sum())
        weights = jr.normal(weight_key, (problem.train.shape[1], self.features)) / (self.width * distance)
        phases = jr.uniform(phase_key, (self.features,), maxval=2 * jnp.pi)
        return tuple(jnp.cos(x @ weights + phases) for x in (problem.support, problem.query))

    def account(self, train):
        return EncoderCost(unlabelled=train)
