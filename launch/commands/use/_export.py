from pathlib import Path
from typing import Annotated, Literal

import tyro

from ....errors import BadInput
from ...caches._compilations import cache_compilations
from ...options._parse import parse
from ...records._files import check_writable, write_atomically
from ._encoding import Encoding, located, RuleAndData


def main(arguments: list[str]) -> int:
    """Runs `metarule export` and returns its exit code."""
    return parse(export, arguments, "export")


def export(
    rule_and_data: RuleAndData,
    /,
    to: Literal["onnx", "pytorch", "numpy"],
    out: Path,
    encoding: Annotated[Encoding, tyro.conf.arg(name="")] = Encoding(),
) -> int:
    """Fits an encoder to data with a rule, and writes it in a form that runs without Metarule.

    What it does to a row is in the file: missing numbers are filled, columns scaled, and the network applied and all
    that stands beside it. Features are those of `metarule encode` to within 1e-5 of their size. Columns of words and
    dates are not part of it: where data have some, rows are those numbers that Metarule makes of them, whose names are
    in the file.

    Args:
        rule_and_data: RULE and DATA as for `metarule encode`.
        to: `onnx`, a graph for any runtime of ONNX; `numpy` or `pytorch`, a readable module with a class Encoder, which
            you import yourself, and its arrays.
        out: file to write: PATH.onnx, or PATH.py, beside which PATH.npz is written. Existing files are replaced, but
            never an input.
    """
    # What can't be is said before seconds of imports and of fitting.
    suffix = ".onnx" if to == "onnx" else ".py"
    if out.suffix != suffix or (to != "onnx" and not out.stem.isidentifier()):
        raise BadInput(f"--out {out} can't hold this: name it NAME{suffix}, of letters and digits.")
    arrays = out.with_suffix(".npz")
    path, data = located(rule_and_data, encoding.chosen, out, *([] if to == "onnx" else [arrays]))
    check_writable(out)
    from ...exports._graph import graph, require_onnx

    if to == "onnx":
        require_onnx()
    cache_compilations()
    parts, ready = encoding.read(data)
    encoder = encoding.fit(encoding.trained(path), parts[0].x, ready)
    from ...exports._frozen import Frozen
    from ...exports._module import module

    frozen = Frozen.of(encoder)
    if to == "onnx":
        write_atomically(out, graph(frozen))
        print(f"Wrote {out}. {frozen.sentence}")
        return 0
    text, content = module(frozen, "torch" if to == "pytorch" else "numpy")
    write_atomically(arrays, content)  # The arrays first: a module that is there has its arrays.
    write_atomically(out, text)
    print(f"Wrote {out} and {arrays}. {frozen.sentence}")
    return 0
