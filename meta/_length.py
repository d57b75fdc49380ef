from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, PRNGKeyArray

from ..errors import BadInput


@final
class Length(eqx.Module):
    """A number of steps: fixed, drawn from a range, or a range that grows over meta-training.

    A draw is uniform on the whole numbers from `low` to `high`. Both ends are multiplied by a share that grows
    linearly from `start` to 1 over `grow_over` meta-steps: `Length(8000, 12000, 20000, 0.001)` begins near 10 and ends
    near 10000, each within a fifth (the schedule of arXiv 1810.10180). `high` left out means `low`.

    Raises `BadInput` for a length below 1, an empty range, or a growth that does not begin in (0, 1].
    """

    low: int = eqx.field(static=True)
    """Steps, or the least number of them."""
    high: int | None = eqx.field(static=True, default=None)
    """The largest number of steps, if it is drawn from a range."""
    grow_over: int = eqx.field(static=True, default=0)
    """Meta-steps over which both numbers grow; 0 for not at all."""
    start: float = eqx.field(static=True, default=1.0)
    """Share of the numbers that growing begins with."""

    def __check_init__(self):
        if self.low < 1 or self.maximum < self.low:
            raise BadInput(f"A length needs 1 <= low <= high; got low={self.low} and high={self.high}.")
        if self.grow_over < 0 or not 0 < self.start <= 1:
            raise BadInput(
                "A length grows over 0 or more meta-steps from a start in (0, 1]; "
                f"got grow_over={self.grow_over} and start={self.start}."
            )

    @property
    def maximum(self) -> int:
        """The longest that a draw can ever be."""
        return self.low if self.high is None else self.high

    @property
    def fixed(self) -> bool:
        """Whether every draw is the same."""
        return self.maximum == self.low and (self.start == 1 or self.grow_over == 0)

    def sample(self, key: PRNGKeyArray, meta_step: Int[Array, ""]) -> Int[Array, ""]:
        """Draws a length for something that begins at this meta-step; at least 1."""
        if self.fixed:
            return jnp.asarray(self.low, jnp.int32)
        share = 1.0
        if self.grow_over > 0:
            share = self.start + (1 - self.start) * jnp.minimum(1.0, meta_step / self.grow_over)
        low = jnp.maximum(1, jnp.round(self.low * share)).astype(jnp.int32)
        high = jnp.maximum(low, jnp.round(self.maximum * share).astype(jnp.int32))
        return jr.randint(key, (), low, high + 1, dtype=jnp.int32)


def as_length(length: int | Length) -> Length:
    """Lets a plain number of steps be written where a `Length` is wanted."""
    return length if isinstance(length, Length) else Length(length)
