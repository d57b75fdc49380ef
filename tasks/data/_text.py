import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BadInput
from ._examples import Part


def read_texts(path: Path) -> tuple[Part, ...]:
    """Reads texts from JSON lines (.jsonl or .jsonl.gz) with `text` and optionally `label` and `split`.

    `split` is train, the default, or test; lines of others are left out. Without a test line the texts are one part.
    Raises `BadInput` for a file that is missing, damaged or not UTF-8, and for a line without text.
    """
    lines = read_lines(path)
    names = {line.get("split", "train") for line in lines}
    if "test" not in names:
        return (part_of("", [line for line in lines if line.get("split", "train") == "train"]),)
    return tuple(
        part_of(name, [line for line in lines if line.get("split", "train") == name]) for name in ("train", "test")
    )


def part_of(name: str, lines: list[dict[str, Any]]) -> Part:
    """The texts of these lines, and their labels if they have any."""
    labels = [line.get("label") for line in lines]
    known = None if all(label in (None, "") for label in labels) else ["" if x is None else str(x) for x in labels]
    return Part(name, [str(line["text"]) for line in lines], None if known is None else np.array(known))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of JSON lines, each with a text. Raises `BadInput` as `read_texts` does."""
    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
        lines = [json.loads(line) for line in text.split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 (byte {error.start}); save it in UTF-8.") from error
    except json.JSONDecodeError as error:
        raise BadInput(f"{path} does not hold one JSON object a line ({error}).") from error
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path} can't be read ({error}); fetch the file again.") from error
    if not lines:
        raise BadInput(f"{path} holds no line.")
    for number, line in enumerate(lines, 1):
        if not isinstance(line, dict) or line.get("text") is None:
            raise BadInput(f"{path}, line {number}: no `text`; give one in every line.")
    return lines
