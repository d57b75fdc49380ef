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
    """The arrays of a tree under the names of their paths, such as `update.blocks.0.weight`.

    Typed keys appear as the numbers that they hold. Shapes without values (`jax.ShapeDtypeStruct`) count as arrays.
    """
    leaves = {}
    for path, leaf in jtu.tree_leaves_with_path(eqx.filter(tree, _is_array)):
        name = jtu.keystr(path, simple=True, separator=".")
        if name in leaves:
            raise ValueError(f"Two leaves are called {name!r}.")
        leaves[name] = leaf
    return leaves


def numbers(leaf: Any) -> Any:
    """An array as plain numbers: a typed key as what it holds, anything else as it is."""
    if not _is_key(leaf):
        return leaf
    return jax.eval_shape(jr.key_data, leaf) if isinstance(leaf, jax.ShapeDtypeStruct) else jr.key_data(leaf)


def signature(leaf: Any) -> str:
    """What an array is, without its values: `float32[3,4]`."""
    return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"


def with_leaves(like: _Tree, leaves: Mapping[str, Any]) -> _Tree:
    """A tree like the given one with other numbers in its arrays, as `named_leaves` and `numbers` gave them."""
    arrays, rest = eqx.partition(like, _is_array)

    def replace(path: Any, leaf: Any) -> Any:
        value = leaves[jtu.keystr(path, simple=True, separator=".")]
        return jr.wrap_key_data(value, impl=_implementation(leaf)) if _is_key(leaf) else value

    return eqx.combine(jtu.tree_map_with_path(replace, arrays), rest)


def difference(expected: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """The first way in which one set of names and signatures is not the other, in words; None if they agree."""
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
    """A fingerprint of an array: of its bytes, shape and type."""
    array = np.ascontiguousarray(np.asarray(leaf))
    return hashlib.sha256(signature(array).encode() + array.tobytes()).hexdigest()


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | jax.ShapeDtypeStruct)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _implementation(leaf: Any) -> str:
    names = ("threefry2x32", "rbg", "unsafe_rbg")
    return next(name for name in names if jax.eval_shape(lambda: jr.key(0, impl=name)).dtype == leaf.dtype)
