from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ...errors import BadInput
from ...tasks import DataSet, few_shot_indices, load


Refuse = Callable[[BadInput], None]
"""What is told of a data set that can't be scored on, so that the others are."""


def load_each(
    names: Iterable[str], data_dir: Path | None, labels: int, refuse: Refuse | None = None
) -> Iterator[DataSet]:
    """Loads data sets to score on, each when the iterator reaches it.

    Where `load` raises `BadInput`, where a class has fewer train examples than `labels` and where there is no test
    example, `refuse` is told and the data set left out; without `refuse` that is raised.
    """
    for name in names:
        try:
            data_set = load(name, data_dir)
            few_shot_indices(data_set, 0, labels, 1)
        except BadInput as error:
            if refuse is None:
                raise
            refuse(error)
        else:
            yield data_set


def load_all(names: Iterable[str], data_dir: Path | None, labels: int, refuse: Refuse | None = None) -> list[DataSet]:
    """Loads data sets to score on, all of them before anything is computed. Raises as `load_each` does."""
    return list(load_each(names, data_dir, labels, refuse))
