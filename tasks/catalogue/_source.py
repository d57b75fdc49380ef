import abc
import dataclasses
from pathlib import Path

from ...errors import BadInput
from ..data._data_set import DataSet


@dataclasses.dataclass(frozen=True)
class AbstractSource(abc.ABC):
    """Where one public data set comes from: its name, the files it is read from, and how.

    `sides` are the usual sizes of its images, None standing for the native one; (None,) for what can't be resized.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    sides: tuple[int | None, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Public names, one for each usual size."""
        separator = "_" if self.name[-1].isdigit() else ""
        return tuple(self.name if side is None else f"{self.name}{separator}{side}" for side in self.sides)

    @abc.abstractmethod
    def read(self, folder: Path) -> DataSet:
        """Reads the data set from its files at their native size."""

    def paths(self, data_dir: Path) -> tuple[Path, ...]:
        """Where its files stand below the data folder."""
        return tuple(data_dir / self.folder / file for file in self.files)

    def require(self, data_dir: Path | None) -> Path:
        """The folder to read from. Raises `BadInput` that says where to put which file if one is missing."""
        if not self.files:
            return Path()
        if data_dir is None:
            wanted = ", ".join(f"{self.folder}/{file}" for file in self.files)
            raise BadInput(
                f"{self.name} is read from files: name the folder that holds {wanted} by --data-dir or METARULE_DATA."
            )
        missing = [str(path) for path in self.paths(data_dir) if not path.is_file()]
        if missing:
            raise BadInput(
                f"{self.name} is not at hand: put the missing {', '.join(missing)} there, or name another --data-dir."
            )
        return data_dir / self.folder
