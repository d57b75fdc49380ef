import abc
import dataclasses
from pathlib import Path

from ...errors import BadInput
from ..data._data_set import DataSet


@dataclasses.dataclass(frozen=True)
class AbstractSource(abc.ABC):
    """A public data set that is read from files: its name, the files, and how to read them.

    `files` are in `folder` below the data folder; without files the data set is built in. `sides` are the usual sides
    of its images in pixels, None being the native one; (None,) is for data that can't be resized.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    sides: tuple[int | None, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The data set's names, one for each usual side."""
        separator = "_" if self.name[-1].isdigit() else ""
        return tuple(self.name if side is None else f"{self.name}{separator}{side}" for side in self.sides)

    @abc.abstractmethod
    def read(self, folder: Path) -> DataSet:
        """Reads the data set from its files, images at their native size."""

    def paths(self, data_dir: Path) -> tuple[Path, ...]:
        """Returns the paths where its files belong below the data folder."""
        return tuple(data_dir / self.folder / file for file in self.files)

    def require(self, data_dir: Path | None) -> Path:
        """Returns the folder to read from. Raises `BadInput` if a file is missing, saying which and where to put it."""
        if not self.files:
            return Path()
        if data_dir is None:
            wanted = ", ".join(f"{self.folder}/{file}" for file in self.files)
            raise BadInput(
                f"{self.name} is read from files: name the folder that holds {wanted} by --data-dir or METARULE_DATA."
            )
        missing = [str(path) for path in self.paths(data_dir) if not path.is_file()]
        if missing:
            raise BadInput(f"{self.name} is missing: put {', '.join(missing)} there, or name another --data-dir.")
        return data_dir / self.folder
