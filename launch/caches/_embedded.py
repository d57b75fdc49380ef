import dataclasses
import io
from importlib.metadata import version

import numpy as np

from ...tasks import DataSet, Embedded, embedded
from . import _store as disk_cache
from ._code import code_digest


_FIELDS = tuple(field.name for field in dataclasses.fields(DataSet))
_PARTS = ("training", "validation")


def cached_embedded(side: int) -> Embedded:
    """Returns `embedded(side)`, from the disk cache where it was drawn before: drawing takes 2 s of every start.

    Other code, another version of numpy, Pillow or Matplotlib (whose fonts are drawn), and a damaged file lead to
    drawing anew.
    """
    versions = [version(name) for name in ("numpy", "pillow", "matplotlib")]
    name = "-".join(["embedded", str(side), code_digest(), *versions])
    if (content := disk_cache.get(name)) is not None:
        return _unpacked(content)
    drawn = embedded(side)
    disk_cache.put(name, _packed(drawn))
    return drawn


def _packed(drawn: Embedded) -> bytes:
    arrays = {
        f"{part}/{index}/{field}": np.asarray(getattr(data_set, field))
        for part in _PARTS
        for index, data_set in enumerate(getattr(drawn, part))
        for field in _FIELDS
    }
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _unpacked(content: bytes) -> Embedded:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        parts: dict[str, list[DataSet]] = {part: [] for part in _PARTS}
        for place in dict.fromkeys(name.rpartition("/")[0] for name in arrays):
            fields = {field: arrays[f"{place}/{field}"] for field in _FIELDS}
            plain = {field: array.item() for field, array in fields.items() if array.ndim == 0}
            names = tuple(map(str, fields["class_names"]))
            parts[place.partition("/")[0]].append(DataSet(**{**fields, **plain, "class_names": names}))
    return Embedded(**{part: tuple(sets) for part, sets in parts.items()})
