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
    """Returns the mesh on which particles are shared: within `with jax.set_mesh(mesh_of(devices))` all programs use it.

    The devices are those of all processes, and every process runs the same program. Without a mesh, one device computes
    everything.
    """
    return jax.make_mesh((len(devices),), (_AXIS,), (AxisType.Auto,), devices=devices)


def device_count() -> int:
    """Returns how many devices share the particles under the current mesh."""
    return dict(jax.sharding.get_abstract_mesh().shape).get(_AXIS, 1)


def replicate_to_mesh(tree: _Tree) -> _Tree:
    """Returns the tree with its arrays, which every process must hold alike, whole on all devices of the mesh.

    Programs on many devices start from such arrays.
    """
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


def shard_particles(tree: _Tree) -> _Tree:
    """Constrains arrays, within a compiled function, to be split along their first axis in equal blocks per device."""
    return _constrain(tree, PartitionSpec(_AXIS))


def replicate(tree: _Tree) -> _Tree:
    """Constrains arrays, within a compiled function, to be whole on every device."""
    return _constrain(tree, PartitionSpec())


def on_each_device(
    function: Callable[[Any, Any], tuple[PyTree, PyTree]], common: PyTree, particles: PyTree
) -> tuple[PyTree, PyTree]:
    """Calls `function(common, block)` on every device with its block of the particles.

    The function returns what belongs to its particles, and what is equal on all devices because `total` made it so.
    """
    arrays, rest = eqx.partition(common, eqx.is_array)

    def local(arrays, particles):
        return function(eqx.combine(arrays, rest), particles)

    part, whole = PartitionSpec(_AXIS), PartitionSpec()
    # `shard_map`, because the compiler on its own would have every device compute all of a batched decomposition.
    # Arrays reach the function as arguments: those that it closes over would belong to the mesh and not to a device.
    # Nothing is differentiated through this, so there is no need to track what differs between devices (`check_vma`).
    return jax.shard_map(local, in_specs=(whole, part), out_specs=(part, whole), check_vma=False)(arrays, particles)


def trace_particle(function: Callable[..., None], common: PyTree, particles: tuple[PyTree, ...]) -> None:
    """Traces `function(common, *particle)` for one particle as `on_each_device` will; computes nothing.

    JAX keeps traces of jitted functions by their arguments' shapes and by the mesh: within the same `shard_map`, what
    was traced here is not traced again in a meta-step, which saves seconds.
    """

    def first(common, block):
        function(common, *jax.tree.map(lambda x: x[0], block))
        return block, ()

    eqx.filter_eval_shape(first if device_count() == 1 else partial(on_each_device, first), common, particles)


def shared(function: Callable[[Any, Any], _Tree], common: PyTree, items: PyTree) -> _Tree:
    """Returns `function(common, items)`, for a function that treats every item by itself.

    Each device computes its part of the items, if their number divides evenly, and then has all results.
    """
    if device_count() == 1 or jax.tree.leaves(items)[0].shape[0] % device_count():
        return function(common, items)
    results, _ = on_each_device(lambda common, block: (function(common, block), ()), common, items)
    return replicate(results)


def connect() -> None:
    """Connects all devices, by one small sum, while all processes are at this line.

    Left to the first meta-step, a process that has to compile that step would come later than the connection waits (30
    s between CPUs) for another that finds it in its cache.
    """
    if device_count() > 1:
        ones = replicate_to_mesh(np.ones(device_count(), np.float32))
        found = jax.jit(lambda ones: on_each_device(lambda _, block: (block, total(block.sum())), (), ones)[1])(ones)
        assert int(found) == device_count()


def device_index() -> Int[Array, ""]:
    """Returns which device this is, within `on_each_device`."""
    return jax.lax.axis_index(_AXIS)


def total(tree: _Tree) -> _Tree:
    """Returns the sum over all devices, within `on_each_device`."""
    return jax.lax.psum(tree, _AXIS)


def _constrain(tree: _Tree, spec: PartitionSpec) -> _Tree:
    if device_count() == 1:
        return tree
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.tree.map(lambda x: jax.lax.with_sharding_constraint(x, spec), arrays), rest)
