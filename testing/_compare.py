from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..errors import BadInput


def trace(name: str, method: Callable, *arguments: Any) -> Any:
    """The shapes that a method returns, without computing anything.

    Raises `BadInput` that names the method and the first line of the exception where the method raises one.
    """
    try:
        return eqx.filter_eval_shape(method, *arguments)
    except Exception as error:
        reason = (str(error).strip() or "no message").splitlines()[0].removesuffix(".")
        raise BadInput(f"{name} must run under jax.jit; it raises {type(error).__name__}: {reason}.") from error


def difference(found: PyTree, like: PyTree) -> str | None:
    """What is first found to differ in the structure, shapes or types of two PyTrees; None if nothing does."""
    ours, theirs = _leaves(found), _leaves(like)
    if type(found) is not type(like) and not (_is_array(found) and _is_array(like)):
        return f"it is a {type(found).__name__}, not a {type(like).__name__}"
    for path in theirs:
        if path not in ours:
            return f"it has no array at {path}"
    for path, kind in ours.items():
        if path not in theirs:
            return f"it has one more array at {path}"
        if kind != theirs[path]:
            return f"its {path} is {kind}, not {theirs[path]}"
    if jax.tree.structure(found) != jax.tree.structure(like):
        return "its static fields, such as an activation function, are others"
    return None


def no_array(tree: PyTree) -> str | None:
    """The first leaf that is no array; None if there is none."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not _is_array(leaf):
            return f"its {_place(path)} is {leaf!r}"
    return None


def _leaves(tree: PyTree) -> dict[str, str]:
    """The place of each leaf and its type and shape, or its value if it is no array."""
    kind = lambda leaf: f"{leaf.dtype}{list(leaf.shape)}" if _is_array(leaf) else repr(leaf)
    return {_place(path): kind(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _is_array(leaf: Any) -> bool:
    return eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)


def _place(path: tuple[Any, ...]) -> str:
    """A leaf's place, written as in Python."""
    return jax.tree_util.keystr(path).removeprefix(".") or "value"


def close(found: PyTree, wanted: PyTree, tolerance: float = 1e-4) -> bool:
    """Whether all arrays agree but for rounding, relative to each array's largest entry."""
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        ours, theirs = _numbers(ours), _numbers(theirs)
        scale = np.abs(theirs).max(initial=0.0)
        if ours.shape != theirs.shape or not np.abs(ours - theirs).max(initial=0.0) <= tolerance * scale + 1e-7:
            return False
    return True


def finite(tree: PyTree) -> bool:
    """Whether no array holds an infinity or NaN."""
    return all(np.isfinite(_numbers(leaf)).all() for leaf in jax.tree.leaves(tree))


def _numbers(leaf: Any) -> np.ndarray:
    """An array, or a random key's words, in double precision."""
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf, np.float64)
