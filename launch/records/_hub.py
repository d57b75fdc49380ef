import importlib
from pathlib import Path
from typing import Any

from ...errors import BadInput


PREFIX = "hf:"
"""What the name of a rule on the Hugging Face Hub begins with."""

_FILE = "rule.safetensors"


def from_hub(name: str) -> Path:
    """Returns the path of the rule file of `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`, fetched if it is not there yet.

    Nothing but that file is fetched, and a rule file holds no code. Raises `BadInput` where the hub's client is not
    installed, and where the hub has no such file or can't be reached.
    """
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise BadInput(f"A rule on the Hugging Face Hub is written as hf:OWNER/NAME; got {name!r}.")
    hub = _client()
    try:
        return Path(hub.hf_hub_download(repository, _FILE, revision=revision or None))
    except Exception as error:  # Which of the client's and its libraries' many exceptions depends on the version.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(f"{name} can't be fetched ({reason}): it needs the network and a file {_FILE}.") from error


def hub_name(path: Path) -> str | None:
    """Returns OWNER--NAME for a file that `from_hub` fetched, and None for any other."""
    found = [part for part in path.parts if part.startswith("models--")]
    return found[-1].removeprefix("models--") if found and "snapshots" in path.parts else None


def _client() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise BadInput("Rules by hf:OWNER/NAME need an extra: pip install 'metarule[hub]'.") from error
