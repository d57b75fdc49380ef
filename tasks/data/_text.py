import gzip
import json
import zlib
from pathlib import Path

import numpy as np

from ...errors import BadInput
from ._data_set import DataSet
from ._words import from_texts


_Line = dict[str, str | int | float]


def read_texts(path: Path) -> DataSet:
    """Reads a data set from JSON lines (.jsonl or .jsonl.gz) with `text`, `label` and optionally `split`.

    `split` is train, the default, or test. Without a test split a fifth of each class is held out by a fixed seed.
    Raises `BadInput` for a file that is missing, damaged or not UTF-8, and for a line without text or label.
    """
    train, test = _by_split(_read_lines(path))
    return from_texts(str(path), _pair(train), _pair(test) if test else None)


def _pair(lines: list[_Line]) -> tuple[list[str], np.ndarray]:
    return [str(line["text"]) for line in lines], np.array([str(line["label"]) for line in lines])


def _by_split(lines: list[_Line]) -> tuple[list[_Line], list[_Line]]:
    train = [line for line in lines if line.get("split", "train") == "train"]
    return train, [line for line in lines if line.get("split") == "test"]


def _read_lines(path: Path) -> list[_Line]:
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
    for number, line in enumerate(lines, 1):
        if not isinstance(line, dict) or line.get("text") is None or line.get("label") in (None, ""):
            raise BadInput(f"{path}, line {number}: no `text` or no `label`; give both in every line.")
    return lines
