import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray


_Style = TypeVar("_Style")


class AbstractAugmentation(eqx.Module, Generic[_Style]):
    """A random variation of images: each task draws a style, how to vary, and each example draws its coefficients."""

    @property
    @abc.abstractmethod
    def coefficients(self) -> int:
        """The number of coefficients of each example, which can serve as regression targets."""

    @abc.abstractmethod
    def draw(self, side: int, key: PRNGKeyArray) -> _Style:
        """Draws a task's style, for images of this side in pixels."""

    @abc.abstractmethod
    def __call__(
        self, images: Float[Array, "example channel side side"], style: _Style, key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example coefficient"]]:
        """Varies images with values in [0, 1]. Returns the images and the coefficients, of about unit variance."""


def sometimes(probability: float, strength: Float[Array, "..."], uniform: Float[Array, ""]) -> Float[Array, "..."]:
    """Returns the strength with this probability, else zero, so that some tasks don't vary. `uniform` is in [0, 1)."""
    return strength * (uniform < probability)
