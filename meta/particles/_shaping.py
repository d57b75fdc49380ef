import abc
from typing import ClassVar, final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractShaping(eqx.Module):
    """A function of the loss differences within antithetic pairs, which makes them the weights of the pairs' noise.

    Any other than `Unshaped` is robust to outliers and biased: the mean is no longer the gradient of the loss.
    """

    together: ClassVar[bool]  # Whether it needs the differences of all particles at once.

    @abc.abstractmethod
    def __call__(self, differences: Float[Array, " particle"]) -> Float[Array, " particle"]:
        """Returns the weights. A difference that is not finite stays so and changes no other."""


@final
class Unshaped(AbstractShaping):
    """The differences themselves: adds no bias."""

    together = False

    def __call__(self, differences: Float[Array, " particle"]) -> Float[Array, " particle"]:
        return differences


@final
class SignShaping(AbstractShaping):
    """The sign of each difference: which of the pair did better (arXiv 2211.09760)."""

    together = False

    def __call__(self, differences: Float[Array, " particle"]) -> Float[Array, " particle"]:
        return jnp.sign(differences)


@final
class RankShaping(AbstractShaping):
    """Signed ranks: the sign of each difference times the rank of its size among all, in (0, 1]."""

    together = True

    def __call__(self, differences: Float[Array, " particle"]) -> Float[Array, " particle"]:
        finite = jnp.isfinite(differences)
        size = jnp.where(finite, jnp.abs(differences), jnp.inf)
        below = (size[None] < size[:, None]).sum(1)
        tied = (size[None] == size[:, None]).sum(1)  # Ties share the mean of their ranks.
        rank = (below + (tied + 1) / 2) / jnp.maximum(finite.sum(), 1)
        return jnp.where(finite, jnp.sign(differences) * rank, jnp.nan)
