from pathlib import Path

from ...rules import AbstractRule
from ..records._rule_file import save_rule
from ._experiment import Provenance


def write_rule(path: Path, rule: AbstractRule, provenance: Provenance, spent: tuple[int, float]) -> None:
    """Writes a rule of a run as a file, after so many meta-steps and seconds.

    Raises `BadInput` where the file can't be written.
    """
    steps, seconds = spent
    record = {"preset": provenance.record["preset"], "steps": steps, "seconds": round(seconds, 1)}
    save_rule(path, rule, provenance.rule, record | provenance.record)
