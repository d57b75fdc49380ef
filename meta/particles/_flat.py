from collections.abc import Callable

import equinox as eqx
import jax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ...errors import BadInput


def ravel(theta: PyTree) -> tuple[Float[Array, " parameter"], Callable[[Array], PyTree], Callable[[Array], PyTree]]:
    """Returns all floating-point arrays of theta as one vector, and two functions back.

    The first makes a whole theta of such a vector: with it, call a problem. The second makes a tree of the learned part
    alone, with None elsewhere: the form of `Estimate.grad` and `Estimate.variance`. Raises `BadInput` if theta holds no
    floating-point array.
    """
    learned, rest = eqx.partition(theta, eqx.is_inexact_array)
    vector, unravel = ravel_pytree(learned)
    if vector.size == 0:
        raise BadInput("There is nothing to learn: theta holds no floating-point array.")
    return vector, lambda flat: eqx.combine(unravel(flat), rest), unravel


def own_copy(shared: Float[Array, "*any"], mark: Float[Array, ""]) -> Float[Array, "*any"]:
    """Returns the array itself; under `jax.vmap` over `mark`, any finite number, a copy for each particle.

    On a CPU only: there, products of a batch by a batch are faster than those of a batch by one matrix, and
    convolutions with a kernel each are computed one after another. Elsewhere they would become one grouped convolution;
    that was not measured.
    """
    return shared + 0 * mark.astype(shared.dtype) if jax.default_backend() == "cpu" else shared
