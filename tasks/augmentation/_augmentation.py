import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray


_Style = TypeVar("_Style")


class AbstractAugmentation(eqx.Module, Generic[_Style]):
    """One way to vary images: a task draws once how strongly and in what manner, an example draws its coefficients."""

    @property
    @abc.abstractmethod
    def coefficients(self) -> int:
        """How many numbers of each example can serve as regression targets."""

    @abc.abstractmethod
    def draw(self, side: int, key: PRNGKeyArray) -> _Style:
        """Draws a task's style for images of this side."""

    @abc.abstractmethod
    def __call__(
        self, images: Float[Array, "example channel side side"], style: _Style, key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example coefficient"]]:
        """Varies images with values in [0, 1]; returns them and each example's coefficients, of about unit variance."""


def sometimes(probability: float, strength: Float[Array, "..."], lot: Float[Array, ""]) -> Float[Array, "..."]:
    """The strength with this probability, else zero, by a lot in [0, 1): so that some tasks go without."""
    return strength * (lot < probability)
