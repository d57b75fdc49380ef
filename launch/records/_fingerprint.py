from typing import Any

import jax
import numpy as np

from ._leaves import signature


_AT_ONCE = 2**18  # numbers: as many as a cache holds


def part(leaf: Any) -> int:
    """What the pieces of an array that this process answers for add to its fingerprint.

    A fingerprint is a sum over numbers and their places, modulo 2^64: however an array is cut up and spread over
    devices, the parts add up to the same. It finds damage, which never hits two numbers so that their sum stays.
    """
    if not isinstance(leaf, jax.Array) or len(leaf.sharding.device_set) == 1:
        return _sum(np.asarray(leaf), 0)
    found = 0
    for shard in leaf.addressable_shards:
        if shard.replica_id == 0:
            found += _sum(np.asarray(shard.data), _offset(leaf.shape, shard.index))
    return found % 2**64


def fingerprint(leaf: Any, parts: int) -> str:
    """The fingerprint of an array of this shape and type whose parts add up to `parts`."""
    return f"{signature(leaf)}:{parts % 2**64:016x}"


def whole(leaf: Any) -> str:
    """The fingerprint of an array that is all here."""
    return fingerprint(leaf, _sum(np.asarray(leaf), 0))


def _offset(shape: tuple[int, ...], index: tuple[slice, ...]) -> int:
    """Where a piece begins that is cut along the first axis alone."""
    assert all(each.start in (None, 0) for each in index[1:])
    return (index[0].start or 0) * int(np.prod(shape[1:], dtype=np.int64)) if index else 0


def _sum(array: np.ndarray, offset: int) -> int:
    size = min(array.dtype.itemsize, 8)
    numbers = np.ascontiguousarray(array).reshape(-1).view(f"u{size}")
    offset *= array.dtype.itemsize // size
    found = 0
    for start in range(0, numbers.size, _AT_ONCE):
        words = numbers[start : start + _AT_ONCE].astype(np.uint64)
        first = offset + start + 1
        places = np.arange(first, first + words.size, dtype=np.uint64)
        found += int(_mix(words ^ _mix(places)).sum(dtype=np.uint64))
    return found % 2**64


def _mix(x: np.ndarray) -> np.ndarray:
    """One of the 2^64 numbers for another: the last steps of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
