from collections.abc import Iterable, Iterator
from pathlib import Path

from ...tasks import DataSet, few_shot_indices, load


def load_each(names: Iterable[str], data_dir: Path | None, labels: int) -> Iterator[DataSet]:
    """Loads data sets to score on, each when the iterator reaches it.

    Raises `BadInput` as `load` does, and where a class has fewer train examples than `labels` or there is no test
    example.
    """
    for name in names:
        data_set = load(name, data_dir)
        few_shot_indices(data_set, 0, labels, 1)
        yield data_set


def load_all(names: Iterable[str], data_dir: Path | None, labels: int) -> list[DataSet]:
    """Loads data sets to score on, all of them before anything is computed. Raises as `load_each` does."""
    return list(load_each(names, data_dir, labels))
