from typing import final

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Int, PRNGKeyArray

from ...models import lloyd, triangle
from ._encoder import AbstractEncoder, EncoderCost, EncoderInputs, Features, sample_size


@final
class KMeans(AbstractEncoder):
    """The triangle encoding of Coates, Lee and Ng (AISTATS 2011): by how much a centroid is nearer than the mean one.

    Centroids come from so many of Lloyd's steps on a sample of the train examples, begun at random examples.
    """

    centroids: int = eqx.field(static=True)
    steps: Int[Array, ""] | int = 25

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        x = problem.sample()
        start = x[jr.choice(key, len(x), (self.centroids,), replace=len(x) < self.centroids)]
        centroids = lloyd(x, start, self.steps)
        return triangle(problem.support, centroids), triangle(problem.query, centroids)

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(int(self.steps), sample_size(train))
