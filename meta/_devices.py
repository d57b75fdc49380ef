from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, PyTree


_AXIS = "particles"

_Tree = TypeVar("_Tree")


def mesh_of(devices: Sequence[Any]) -> Mesh:
    """The mesh on which particles are shared: `with jax.set_mesh(mesh_of(devices))` is all that makes use of them.

    Devices of all processes are meant, and every process runs the same program. Without a mesh one device does it all.
    """
    return jax.make_mesh((len(devices),), (_AXIS,), (AxisType.Auto,), devices=devices)


def device_count() -> int:
    """How many devices share the particles here and now."""
    return dict(jax.sharding.get_abstract_mesh().shape).get(_AXIS, 1)


def replicate_to_mesh(tree: _Tree) -> _Tree:
    """Puts arrays that every process has alike on all devices, whole: what a program on many devices starts from."""
    if device_count() == 1:
        return tree
    sharding = NamedSharding(jax.sharding.get_mesh(), PartitionSpec())

    def place(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jr.wrap_key_data(place(jr.key_data(leaf)), impl=jr.key_impl(leaf))
        numbers = np.asarray(leaf)
        return jax.make_array_from_callback(numbers.shape, sharding, lambda index: numbers[index])

    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.tree.map(place, arrays), rest)


def spread(tree: _Tree) -> _Tree:
    """Keeps arrays where their particles are: each device has an equal block of the first axis."""
    return _constrain(tree, PartitionSpec(_AXIS))


def replicate(tree: _Tree) -> _Tree:
    """Keeps arrays whole on every device."""
    return _constrain(tree, PartitionSpec())


def on_each(
    function: Callable[[Any, Any], tuple[PyTree, PyTree]], common: PyTree, particles: PyTree
) -> tuple[PyTree, PyTree]:
    """Gives every device its block of the particles: what it makes of each, and what all agree on by `total`.

    By hand and not by the compiler, which would have every device do all of a batched decomposition. What the function
    uses beside particles is `common`; arrays that it closes over would be of the whole mesh, and not of one device.
    """
    arrays, rest = eqx.partition(common, eqx.is_array)

    def mine(arrays, particles):
        return function(eqx.combine(arrays, rest), particles)

    part, whole = PartitionSpec(_AXIS), PartitionSpec()
    # Nothing is differentiated through this, so there is no need to tell apart what differs between devices.
    return jax.shard_map(mine, in_specs=(whole, part), out_specs=(part, whole), check_vma=False)(arrays, particles)


def rehearse(function: Callable[..., None], common: PyTree, particles: tuple[PyTree, ...]) -> None:
    """Has a function trace of what is common and of one particle, as it will in `on_each`; computes nothing.

    What was traced so is not traced again when it comes to that, which saves seconds.
    """

    def first(common, some):
        function(common, *jax.tree.map(lambda x: x[0], some))
        return some, ()

    eqx.filter_eval_shape(first if device_count() == 1 else partial(on_each, first), common, particles)


def shared(function: Callable[[Any, Any], _Tree], common: PyTree, items: PyTree) -> _Tree:
    """A function of many items at once, whose results every device then has: each works on its own, if they divide."""
    if device_count() == 1 or jax.tree.leaves(items)[0].shape[0] % device_count():
        return function(common, items)
    results, _ = on_each(lambda common, some: (function(common, some), ()), common, items)
    return replicate(results)


def connect() -> None:
    """One small sum over all devices, which connects them while all processes are here.

    Left to the first meta-step, a process that has to compile it would come later than the connection waits (30 s
    between CPUs) if another finds it in its cache.
    """
    if device_count() > 1:
        ones = replicate_to_mesh(np.ones(device_count(), np.float32))
        found = jax.jit(lambda ones: on_each(lambda _, some: (some, total(some.sum())), (), ones)[1])(ones)
        assert int(found) == device_count()


def device_index() -> Int[Array, ""]:
    """Which device this is, inside of `on_each`."""
    return jax.lax.axis_index(_AXIS)


def total(tree: _Tree) -> _Tree:
    """The sum over all devices, inside of `on_each`."""
    return jax.lax.psum(tree, _AXIS)


def _constrain(tree: _Tree, spec: PartitionSpec) -> _Tree:
    if device_count() == 1:
        return tree
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.tree.map(lambda x: jax.lax.with_sharding_constraint(x, spec), arrays), rest)
