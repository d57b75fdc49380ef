from typing import Any

import jax
import numpy as np

from ._leaves import signature


_CHUNK = 2**18  # numbers to work on at once: as many as fit into a CPU's cache


def local_sum(leaf: Any) -> int:
    """Returns what this process's shards of an array add to the array's fingerprint, an integer below 2^64.

    A fingerprint is a sum of hashes of the numbers and their places, modulo 2^64. So the sums of all shards add up to
    the same fingerprint, however the array is sharded. It detects damage, not forgery.
    """
    if not isinstance(leaf, jax.Array) or len(leaf.sharding.device_set) == 1:
        return _sum(np.asarray(leaf), 0)
    found = 0
    for shard in leaf.addressable_shards:
        if shard.replica_id == 0:  # Copies on other devices must not count twice.
            found += _sum(np.asarray(shard.data), _offset(leaf.shape, shard.index))
    return found % 2**64


def fingerprint(leaf: Any, total: int) -> str:
    """The fingerprint of an array with this type and shape whose local sums add up to `total`."""
    return f"{signature(leaf)}:{total % 2**64:016x}"


def full_fingerprint(leaf: Any) -> str:
    """Returns the fingerprint of an array that this process holds whole."""
    return fingerprint(leaf, _sum(np.asarray(leaf), 0))


def _offset(shape: tuple[int, ...], index: tuple[slice, ...]) -> int:
    """Returns the flat index at which a shard starts. Raises an error unless only the first axis is sharded."""
    assert all(each.start in (None, 0) for each in index[1:])
    return (index[0].start or 0) * int(np.prod(shape[1:], dtype=np.int64)) if index else 0


def _sum(array: np.ndarray, offset: int) -> int:
    size = min(array.dtype.itemsize, 8)
    numbers = np.ascontiguousarray(array).reshape(-1).view(f"u{size}")
    offset *= array.dtype.itemsize // size
    found = 0
    for start in range(0, numbers.size, _CHUNK):
        words = numbers[start : start + _CHUNK].astype(np.uint64)
        first = offset + start + 1
        places = np.arange(first, first + words.size, dtype=np.uint64)
        found += int(_mix(words ^ _mix(places)).sum(dtype=np.uint64))
    return found % 2**64


def _mix(x: np.ndarray) -> np.ndarray:
    """Hashes 64-bit numbers one to one: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
