from collections.abc import Callable

import equinox as eqx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree


def ravel(theta: PyTree) -> tuple[Float[Array, " parameter"], Callable[[Array], PyTree], Callable[[Array], PyTree]]:
    """All that is learned in theta as one vector.

    Returns the vector, the way back to a whole theta, and the way back to theta's learned part alone (None elsewhere).
    """
    learned, rest = eqx.partition(theta, eqx.is_inexact_array)
    vector, unravel = ravel_pytree(learned)
    return vector, lambda flat: eqx.combine(unravel(flat), rest), unravel
