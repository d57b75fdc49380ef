from collections.abc import Callable

import equinox as eqx
import jax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ...errors import BadInput


def ravel(theta: PyTree) -> tuple[Float[Array, " parameter"], Callable[[Array], PyTree], Callable[[Array], PyTree]]:
    """All that is learned in theta as one vector.

    Returns the vector, the way back to a whole theta, and the way back to theta's learned part alone (None elsewhere).
    Raises `BadInput` if nothing is.
    """
    learned, rest = eqx.partition(theta, eqx.is_inexact_array)
    vector, unravel = ravel_pytree(learned)
    if vector.size == 0:
        raise BadInput("There is nothing to learn: theta holds no floating-point array.")
    return vector, lambda flat: eqx.combine(unravel(flat), rest), unravel


def own_copy(shared: Float[Array, "*any"], mark: Float[Array, ""]) -> Float[Array, "*any"]:
    """A copy of an array for each particle, where `jax.vmap` maps over the mark, any finite number.

    On a CPU only: there, products of a batch by a batch are faster than those of a batch by one matrix, and
    convolutions with a kernel each go one after another. Elsewhere they would be one of groups; not measured.
    """
    return shared + 0 * mark.astype(shared.dtype) if jax.default_backend() == "cpu" else shared
