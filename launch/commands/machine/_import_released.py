import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from ....errors import BadInput
from ....rules import released_from_variables
from ...caches._compilations import cache_compilations
from ...options._parse import parse
from ...records._rule_file import save_rule


_SCOPE = "MoreLocalWeightUpdateProcess/"


def main(arguments: list[str]) -> int:
    """Runs `metarule import-released` and returns its exit code."""
    return parse(import_released, arguments, "import-released")


def import_released(
    checkpoint: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CKPT")],
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")],
    /,
) -> int:
    """Converts a checkpoint of the code released with arXiv 1804.00222 to a rule file. Needs TensorFlow.

    Args:
        checkpoint: the checkpoint's folder, its .index file, or the common prefix of its files.
        out: the rule file to write.
    """
    cache_compilations()
    variables = read_variables(checkpoint)
    try:
        rule = released_from_variables(variables)
        configuration = _configuration(variables)
    except KeyError as error:
        raise BadInput(f"{checkpoint} is not a checkpoint of the released rule: it has no {error.args[0]}.") from error
    count = sum(variable.size for variable in variables.values())
    record = {"preset": "released", "imported": checkpoint.name, "metarule": version("metarule")}
    save_rule(out, rule, configuration, record)
    size = f"{len(variables)} variables with {count:,} numbers"
    print(f"Wrote {out}: {size}, for networks with {configuration['outputs']} features.")
    return 0


def read_variables(checkpoint: Path) -> dict[str, np.ndarray]:
    """Returns the released rule's variables by their TensorFlow names. Raises `BadInput` if they can't be read."""
    prefix = _prefix(checkpoint)
    try:
        with _quiet():
            from tensorflow.train import load_checkpoint  # pyright: ignore
    except ImportError as error:
        raise BadInput("This needs TensorFlow to read the checkpoint: pip install 'metarule[tensorflow]'.") from error
    try:
        reader = load_checkpoint(str(prefix))
        names = [name for name in reader.get_variable_to_shape_map() if name.startswith(_SCOPE)]
        return {name: np.asarray(reader.get_tensor(name)) for name in sorted(names)}
    except Exception as error:  # TensorFlow's own exception classes, which only an import of TensorFlow could name.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{checkpoint} can't be read as a TensorFlow checkpoint ({reason}): fetch it again.") from error


def _prefix(checkpoint: Path) -> Path:
    if checkpoint.is_dir():
        found = sorted(checkpoint.glob("*.index"))
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise BadInput(f"{checkpoint} should hold one checkpoint (one .index file), but has {names}: name one.")
        checkpoint = found[0]
    prefix = checkpoint.with_suffix("") if checkpoint.suffix == ".index" else checkpoint
    if not Path(f"{prefix}.index").is_file():
        raise BadInput(f"There is no checkpoint {checkpoint}: {prefix}.index is missing.")
    if not list(prefix.parent.glob(f"{prefix.name}.data-*")):
        raise BadInput(f"The checkpoint {prefix} is not whole: {prefix}.data-* is missing.")
    return prefix


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Discards what is written to the error stream."""
    # TensorFlow's C++ code logs at import, before its log level can be set, and not through `sys.stderr`.
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _configuration(variables: dict[str, np.ndarray]) -> dict[str, Any]:
    def shape(name: str) -> tuple[int, ...]:
        return variables[_SCOPE + name].shape

    hidden, signal = shape("linear/w")
    return {
        "architecture": "released",
        "outputs": shape("compute_top_delta/conv_1d_1/w")[-1],
        "hidden": hidden,
        "signal": signal,
        "readout": shape("forwardweight_readout_0_top/linear/w")[-1],
        "top_hidden": shape("compute_top_delta/conv_1d/w")[-1],
        "separate_feedback_change": _SCOPE + "backward_weight_readout_coeffs/w" in variables,
        "step_size": 1e-4,
    }
