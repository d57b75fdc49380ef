from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ...precision import full_precision
from ._encoder import AbstractEncoder, EncoderCost, EncoderInputs, Features


@final
class PCA(AbstractEncoder):
    """Projections on the first principal components of the train examples, or on all where there are fewer.

    Components are found by randomised subspace iteration (arXiv 0909.4061), the same ones for every seed.
    """

    components: int = eqx.field(static=True)

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        mean = problem.train.mean(0)
        axes = principal_axes(problem.train, mean, self.components)
        return (problem.support - mean) @ axes, (problem.query - mean) @ axes

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(unlabelled=train)


@full_precision
def principal_axes(
    x: Float[Array, "example input"], mean: Float[Array, " input"], components: int
) -> Float[Array, "input component"]:
    """The directions of largest variance, largest first."""
    inputs = x.shape[1]
    basis = jr.normal(jr.key(0), (inputs, min(components + 10, inputs)))

    def scatter(directions):
        along = x @ directions - mean @ directions  # Centred this way no copy of the examples is made.
        return x.T @ along - jnp.outer(mean, along.sum(0))

    basis = jax.lax.fori_loop(0, 8, lambda _, basis: jnp.linalg.qr(scatter(basis))[0], basis)
    _, rotation = jnp.linalg.eigh(basis.T @ scatter(basis))
    return (basis @ rotation[:, ::-1])[:, :components]
