import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
from jaxtyping import PyTree


_Tree = TypeVar("_Tree")


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """Returns the arrays of a tree by the names of their paths, such as `update.blocks.0.weight`.

    Shapes without values (`jax.ShapeDtypeStruct`) count as arrays. Typed keys stay keys: see `numbers`.
    """
    leaves = {}
    for path, leaf in jtu.tree_leaves_with_path(eqx.filter(tree, _is_array)):
        name = jtu.keystr(path, simple=True, separator=".")
        if name in leaves:  # As in {"a.b": x, "a": {"b": y}}.
            raise ValueError(f"Two leaves are called {name!r}.")
        leaves[name] = leaf
    return leaves


def numbers(leaf: Any) -> Any:
    """Returns a typed key as the array of numbers that it holds, and any other array unchanged."""
    if not _is_key(leaf):
        return leaf
    return jax.eval_shape(jr.key_data, leaf) if isinstance(leaf, jax.ShapeDtypeStruct) else jr.key_data(leaf)


def signature(leaf: Any) -> str:
    """Returns an array's type and shape as text: `float32[3,4]`."""
    return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"


def with_leaves(like: _Tree, leaves: Mapping[str, Any]) -> _Tree:
    """Returns a copy of a tree with other arrays, given by name; where the tree has a typed key, by `numbers`."""
    arrays, rest = eqx.partition(like, _is_array)

    def replace(path: Any, leaf: Any) -> Any:
        value = leaves[jtu.keystr(path, simple=True, separator=".")]
        return jr.wrap_key_data(value, impl=_implementation(leaf)) if _is_key(leaf) else value

    return eqx.combine(jtu.tree_map_with_path(replace, arrays), rest)


def difference(expected: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """Describes the first difference between two sets of names and signatures; None if they agree."""
    for name, wanted in expected.items():
        if name not in found:
            return f"it has no field {name!r} ({wanted} is expected)"
        if found[name] != wanted:
            return f"its field {name!r} is {found[name]} where {wanted} is expected"
    for name in found:
        if name not in expected:
            return f"it has a field {name!r} ({found[name]}) that is not expected"
    return None


def digest(leaf: Any) -> str:
    """Returns the SHA-256 digest, in hexadecimal, of an array's type, shape and bytes."""
    array = np.ascontiguousarray(np.asarray(leaf))
    return hashlib.sha256(signature(array).encode() + array.tobytes()).hexdigest()


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | jax.ShapeDtypeStruct)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _implementation(leaf: Any) -> str:
    names = ("threefry2x32", "rbg", "unsafe_rbg")
    return next(name for name in names if jax.eval_shape(lambda: jr.key(0, impl=name)).dtype == leaf.dtype)
