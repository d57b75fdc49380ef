import dataclasses
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, final

from ...errors import BadInput
from ._description import flat
from ._files import write_atomically


@final
@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The folder that a run leaves behind, and what is where in it."""

    path: Path

    @property
    def configuration(self) -> Path:
        return self.path / "configuration.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def events(self) -> Path:
        return self.path / "events"

    @property
    def hosts(self) -> Path:
        return self.path / "hosts"

    @property
    def rule(self) -> Path:
        return self.path / "rule.safetensors"

    @property
    def snapshots(self) -> dict[int, Path]:
        """The rule files of the average rule along the run, by their steps."""
        there = sorted((self.path / "snapshots").glob("*.safetensors"))
        return {int(path.stem): path for path in there if path.stem.isdecimal()}

    def snapshot(self, step: int) -> Path:
        return self.path / "snapshots" / f"{step:07d}.safetensors"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @staticmethod
    def create(path: str | Path, configuration: dict[str, Any]) -> "RunFolder":
        """Begins a run. `configuration` is JSON.

        Raises `BadInput` if the folder holds a run already (nothing of it is touched) or can't be written.
        """
        run = RunFolder(Path(path))
        if run.path.exists() and not run.path.is_dir():
            raise BadInput(f"{run.path} is a file: choose another --run.")
        if run.configuration.exists():
            run._check(configuration)
            if run.metrics.exists() or run.checkpoints.exists() or run.rule.exists():
                raise BadInput(f"{run.path} holds this run already: continue it with --resume or choose another --run.")
        write_atomically(run.configuration, _text(configuration))
        return run

    @staticmethod
    def open(
        path: str | Path, configuration: dict[str, Any] | None = None, may_change: Collection[str] = ()
    ) -> "RunFolder":
        """Goes on with a run. The fields named in `may_change` (such as "steps") may differ and are then rewritten.

        Raises `BadInput` if there is no run, or if it has another configuration.
        """
        run = RunFolder(Path(path))
        if not run.configuration.is_file():
            raise BadInput(f"{run.path} holds no run: start one without --resume.")
        there = run.read_configuration()
        if configuration is not None:
            run._check(configuration, may_change)
            if there != configuration:
                write_atomically(run.configuration, _text(configuration))
        return run

    @staticmethod
    def keep(path: str | Path, configuration: dict[str, Any]) -> "RunFolder":
        """Begins a folder, or goes on in it: for a command that can be repeated. Raises `BadInput` as both do."""
        begun = RunFolder(Path(path)).configuration.is_file()
        return RunFolder.open(path, configuration) if begun else RunFolder.create(path, configuration)

    def read_configuration(self) -> dict[str, Any]:
        """What the run was begun with. Raises `BadInput` if that can't be read."""
        try:
            configuration = json.loads(self.configuration.read_text())
        except (OSError, ValueError) as error:
            raise BadInput(f"{self.configuration} can't be read: choose another --run.") from error
        if not isinstance(configuration, dict):
            raise BadInput(f"{self.configuration} is not a run's configuration: choose another --run.")
        return configuration

    def rewind(self, step: int) -> None:
        """Drops the metrics of later steps, and a last line that was cut off, so that a resume repeats none."""
        if not self.metrics.exists():
            return
        lines = self.metrics.read_text().splitlines()
        kept = [line for line in lines if (found := _step(line)) is not None and found <= step]
        if kept != lines:
            write_atomically(self.metrics, "".join(f"{line}\n" for line in kept))

    def _check(self, configuration: dict[str, Any], may_change: Collection[str] = ()) -> None:
        there, wanted = flat(self.read_configuration()), flat(json.loads(json.dumps(configuration)))
        for name in sorted(there.keys() | wanted.keys()):
            if there.get(name) != wanted.get(name) and name not in may_change:
                raise BadInput(
                    f"{self.path} holds a run with another configuration: its {name} is {_shown(there, name)}, "
                    f"not {_shown(wanted, name)}; choose another --run, or give what it was begun with and --resume."
                )


def _text(configuration: dict[str, Any]) -> str:
    return json.dumps(configuration, indent=2) + "\n"


def _shown(values: dict[str, Any], name: str) -> str:
    return json.dumps(values[name]) if name in values else "not set"


def _step(line: str) -> int | None:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None
