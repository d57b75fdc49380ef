from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from .._devices import device_count, device_index, on_each_device
from ._moments import Moments
from ._population import Population, Share


def map_particles(
    advance: Callable[[Any, Any], Any], common: PyTree, particles: PyTree, population: Population
) -> tuple[PyTree, tuple[Moments, Moments]]:
    """Applies `advance` to all particles, a chunk at a time, and averages what they contribute.

    `advance(common, chunk)` returns `(outputs, contributions, counted)`, each with the chunk's axis first. Returns the
    outputs of all particles, and the moments of even and of odd groups: contributions are averaged within each group,
    where they are counted, and the moments are those of the groups' means. Contributions are not stored.

    Several devices each advance their own block of groups and exchange nothing but the moments.
    """
    share = population.share(device_count())
    if device_count() == 1:
        return _map_particles(lambda chunk: advance(common, chunk), particles, share, 0)

    def local(common, block):
        first = device_index() * share.groups
        outputs, halves = _map_particles(lambda chunk: advance(common, chunk), block, share, first)
        return outputs, Moments.over_devices(halves)

    return on_each_device(local, common, particles)


def _map_particles(
    advance: Callable[[Any], Any], particles: PyTree, share: Share, first: Int[Array, ""] | int
) -> tuple[PyTree, tuple[Moments, Moments]]:
    """The same for the particles of one device, whose groups are numbered from `first`."""
    some_groups, some_members = share.block
    advance = jax.jit(advance)  # Jitted, so that it is traced once: for its shapes below, and where it is used.

    def within(sums, some):
        """Adds a chunk of members to the sums of its groups."""
        outputs, contributions, counted = advance(jax.tree.map(_join, some))
        counted = counted.reshape(some_groups, some_members)

        def add(total, x):
            x = x.reshape(some_groups, some_members, *x.shape[1:])
            x = jnp.where(counted[..., None], x, 0)
            return total + jnp.einsum("gm,gmp->gp", counted.astype(x.dtype), x, precision=jax.lax.Precision.HIGHEST)

        total, count = sums
        total = jax.tree.map(add, total, contributions)
        outputs = jax.tree.map(lambda x: x.reshape(some_groups, some_members, *x.shape[1:]), outputs)
        return (total, count + counted.sum(1)), outputs

    def across(halves, some):
        """Goes through all members of a chunk of groups, and merges the groups' means into the moments."""
        some, odd = some
        (total, count), outputs = _scan(within, (nothing, jnp.zeros(some_groups, int)), some)
        means = jax.tree.map(lambda x: x / jnp.maximum(count, 1)[:, None].astype(x.dtype), total)
        more = Moments.of(means, (count > 0) & jnp.stack([~odd, odd]))
        return tuple(half.merge(other) for half, other in zip(halves, more)), outputs

    split = jax.tree.map(lambda x: _split(x, share), particles)
    shapes = jax.eval_shape(lambda some: advance(jax.tree.map(lambda x: _join(x[0, 0]), some))[1], split)
    nothing = jax.tree.map(lambda x: jnp.zeros((some_groups, *x.shape[1:]), x.dtype), shapes)
    empty = Moments.of(nothing, jnp.zeros((2, some_groups), bool))
    odd = (first + jnp.arange(share.groups)).reshape(some_groups, -1).T % 2 == 1
    halves, outputs = _scan(across, empty, (split, odd))
    return jax.tree.map(lambda x: _unsplit(x, share), outputs), halves


def _scan(body: Callable, carry: PyTree, xs: PyTree) -> tuple[PyTree, PyTree]:
    """`jax.lax.scan`, without the loop if there is only one iteration: it compiles and runs faster."""
    if jax.tree.leaves(xs)[0].shape[0] > 1:
        return jax.lax.scan(body, carry, xs)
    carry, outputs = body(carry, jax.tree.map(lambda x: x[0], xs))
    return carry, jax.tree.map(lambda x: x[None], outputs)


def _join(x: Array) -> Array:
    return x.reshape(-1, *x.shape[2:])


def _split(x: Array, share: Share) -> Array:
    """[particle, ...] to [group chunk, member chunk, group, member, ...]."""
    some_groups, some_members = share.block
    x = x.reshape(some_groups, share.groups // some_groups, some_members, share.members // some_members, *x.shape[1:])
    return jnp.moveaxis(x, (1, 3), (0, 1))


def _unsplit(x: Array, share: Share) -> Array:
    """The inverse of `_split`."""
    return jnp.moveaxis(x, (0, 1), (1, 3)).reshape(share.groups * share.members, *x.shape[4:])
