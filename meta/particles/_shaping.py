import abc
from typing import ClassVar, final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractShaping(eqx.Module):
    """What is done to the differences of loss between twins before they weigh the noise.

    Anything but `Unshaped` is robust to outliers at the price of a bias: it follows another gradient.
    """

    together: ClassVar[bool]  # whether all particles' differences are needed at once

    @abc.abstractmethod
    def __call__(self, differences: Float[Array, " particle"]) -> Float[Array, " particle"]:
        """Differences in, weights out. Those that are not finite stay so and do not touch the others."""


@final
class Unshaped(AbstractShaping):
    """The differences themselves. Keeps unbiased what is."""

    together = False

    def __call__(self, differences: Float[Array, " particle"]) -> Float[Array, " particle"]:
        return differences


@final
class SignShaping(AbstractShaping):
    """Only which twin did better (arXiv 2211.09760)."""

    together = False

    def __call__(self, differences: Float[Array, " particle"]) -> Float[Array, " particle"]:
        return jnp.sign(differences)


@final
class RankShaping(AbstractShaping):
    """Signed ranks: the sign of each difference times its size's rank among all, in (0, 1]."""

    together = True

    def __call__(self, differences: Float[Array, " particle"]) -> Float[Array, " particle"]:
        finite = jnp.isfinite(differences)
        size = jnp.where(finite, jnp.abs(differences), jnp.inf)
        below = (size[None] < size[:, None]).sum(1)
        tied = (size[None] == size[:, None]).sum(1)
        rank = (below + (tied + 1) / 2) / jnp.maximum(finite.sum(), 1)
        return jnp.where(finite, jnp.sign(differences) * rank, jnp.nan)
