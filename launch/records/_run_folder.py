import dataclasses
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, final

from ...errors import BadInput
from ._description import flat
from ._files import parsed, read_json, write_atomically


@final
@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The folder of a run, and the paths of the files in it."""

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
        """The rule files written during meta-training, by their meta-steps."""
        files = sorted((self.path / "snapshots").glob("*.safetensors"))
        return {int(path.stem): path for path in files if path.stem.isdecimal()}

    def snapshot(self, step: int) -> Path:
        return self.path / "snapshots" / f"{step:07d}.safetensors"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @staticmethod
    def create(path: str | Path, configuration: dict[str, Any]) -> "RunFolder":
        """Makes the folder of a new run and writes its configuration, which must be JSON.

        Raises `BadInput` if the folder already holds a run, which is left unchanged, or can't be written.
        """
        run = RunFolder(Path(path))
        if run.path.exists() and not run.path.is_dir():
            raise BadInput(f"{run.path} is a file: choose another --run.")
        if run.configuration.exists():
            run._check(configuration)
            # A run that failed before its first step left only its configuration, and may start again.
            if run.metrics.exists() or run.checkpoints.exists() or run.rule.exists():
                raise BadInput(f"{run.path} holds this run already: continue it with --resume or choose another --run.")
        write_atomically(run.configuration, _text(configuration))
        return run

    @staticmethod
    def open(
        path: str | Path, configuration: dict[str, Any] | None = None, may_change: Collection[str] = ()
    ) -> "RunFolder":
        """Opens the folder of an existing run and checks its configuration against the given one.

        The fields in `may_change` (such as "steps") may differ and are then rewritten. Raises `BadInput` if there is
        no run, or if another field differs.
        """
        run = RunFolder(Path(path))
        if not run.configuration.is_file():
            raise BadInput(f"{run.path} holds no run: start one without --resume.")
        stored = run.read_configuration()
        if configuration is not None:
            run._check(configuration, may_change)
            if stored != configuration:
                write_atomically(run.configuration, _text(configuration))
        return run

    @staticmethod
    def open_or_create(path: str | Path, configuration: dict[str, Any]) -> "RunFolder":
        """Opens the folder if it holds a run, else creates it. Raises `BadInput` as `open` and `create` do."""
        exists = RunFolder(Path(path)).configuration.is_file()
        return RunFolder.open(path, configuration) if exists else RunFolder.create(path, configuration)

    def read_configuration(self) -> dict[str, Any]:
        """Returns the configuration that the run was started with. Raises `BadInput` if it can't be read."""
        return read_json(self.configuration, dict, "choose another --run")

    def rewind(self, step: int) -> None:
        """Deletes the metrics of steps after `step`, and a last line that was cut off, before a resume repeats them."""
        if not self.metrics.exists():
            return
        lines = self.metrics.read_text(errors="replace").splitlines()
        earlier = [line for line in lines if (found := _step(line)) is not None and found <= step]
        if earlier != lines:
            write_atomically(self.metrics, "".join(f"{line}\n" for line in earlier))

    def _check(self, configuration: dict[str, Any], may_change: Collection[str] = ()) -> None:
        # Through JSON, which turns tuples into lists, as in the file.
        stored, wanted = flat(self.read_configuration()), flat(json.loads(json.dumps(configuration)))
        for name in sorted(stored.keys() | wanted.keys()):
            if stored.get(name) != wanted.get(name) and name not in may_change:
                raise BadInput(
                    f"{self.path} holds a run with another configuration: its {name} is {_shown(stored, name)}, "
                    f"not {_shown(wanted, name)}; choose another --run, or give the same configuration and --resume."
                )


def _text(configuration: dict[str, Any]) -> str:
    return json.dumps(configuration, indent=2) + "\n"


def _shown(values: dict[str, Any], name: str) -> str:
    return json.dumps(values[name]) if name in values else "not set"


def _step(line: str) -> int | None:
    try:
        return int(parsed(line, dict)["step"])
    except (ValueError, KeyError, TypeError):
        return None
