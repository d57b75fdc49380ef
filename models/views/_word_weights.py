from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@final
class WordWeights(eqx.Module):
    """What stands for a text where its words are inputs, above zero where they occur: the TF-IDF weighting, by which
    rare words count more and long texts no more than short ones (Salton and Buckley, Information Processing and
    Management 1988)."""

    rarity: Float[Array, " word"]

    @classmethod
    def of(cls, x: Float[Array, "text word"]) -> "WordWeights":
        """Those of the words in these texts, as scikit-learn's `TfidfTransformer` has them."""
        return cls(jnp.log((1 + len(x)) / (1 + (x > 0).sum(0))) + 1)

    def __call__(self, x: Float[Array, "text word"]) -> Float[Array, "text word"]:
        """Weights of a length of one for each text, or of zero where it has no word."""
        weights = jnp.where(x > 0, self.rarity, 0)
        return weights * jax.lax.rsqrt(jnp.maximum((weights**2).sum(1, keepdims=True), 1e-30))
