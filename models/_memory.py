from typing import final

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int

from ..precision import full_precision


_ROWS = 512
"""Examples whose distances to all stored ones are computed at once."""


@final
class Memory(eqx.Module):
    """Stored examples: a new one recalls what is common to the stored ones that lie nearest to it.

    Values are averaged over a neighbourhood graph of the stored examples when the memory is made, as in simplified
    graph convolution (arXiv 1902.07153): what varies along the graph's clusters fades, what tells them apart stays.
    """

    keys: Float[Array, "stored key"]
    values: Float[Array, "stored value"]
    neighbours: int = eqx.field(static=True)

    @classmethod
    def smoothed(cls, keys: Float[Array, "stored key"], neighbours: int = 10, steps: int = 16) -> "Memory":
        """A memory whose values are the keys, half of which is replaced `steps` times by the mean of the neighbours.

        Of few examples, fewer neighbours are taken: a fortieth of them, but 3 at least.
        """
        stored = len(keys)
        neighbours = max(1, min(neighbours, max(3, stored // 40), stored - 1))
        # One more, for an example is its own nearest neighbour, and the only one if it is alone.
        index = _nearest(keys, keys, min(neighbours + 1, stored))[:, -neighbours:]
        values = jax.lax.fori_loop(0, steps, lambda _, values: (values + values[index].mean(1)) / 2, keys)
        return cls(keys, values, neighbours)

    def __call__(self, keys: Float[Array, "example key"]) -> Float[Array, "example value"]:
        """The mean value of the stored examples that are nearest to each of these."""
        return self.values[_nearest(keys, self.keys, self.neighbours)].mean(1)


@full_precision
def _nearest(
    keys: Float[Array, "example key"], stored: Float[Array, "stored key"], count: int
) -> Int[Array, "example near"]:
    """The numbers of the nearest stored keys, nearest first."""
    lengths = (stored**2).sum(1)

    def nearest(key: Float[Array, " key"]) -> Int[Array, " near"]:
        return jax.lax.top_k(2 * stored @ key - lengths, count)[1]

    return jax.lax.map(nearest, keys, batch_size=_ROWS)
