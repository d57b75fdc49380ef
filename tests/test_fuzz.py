"""Whatever a rule file's header, a table or a command line holds: it works or is refused in one sentence (slow)."""

import contextlib
import io
import json

import pytest
from devices import is_device, make_null
from hypothesis import given, HealthCheck, settings, strategies as st
from metarule.errors import BadInput
from metarule.launch.__main__ import _COMMANDS, main
from metarule.launch.encoders._trained_rule import TrainedRule
from metarule.launch.evaluation._data import load_all
from test_rule_file_headers import GOOD, RECORD, written


pytestmark = pytest.mark.slow

CASES = dict(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)

NUMBERS = st.integers(-(10**12), 10**12) | st.floats() | st.sampled_from([0, 1, 2, 3, 2**31, 2**63, 10**400])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.sampled_from(["lean", "hebb", "4-4", "relu", "a:B"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    [*GOOD, *RECORD, "activation", "weight_scale", "batch_size", "evaluation_steps", "skip", "prototypes", "memory"]
)
OBJECTS = st.dictionaries(FIELDS | st.text(max_size=6), VALUES, max_size=3)


@settings(max_examples=350, **CASES)
@given(changed=OBJECTS, record=OBJECTS, raw=st.none() | st.text(max_size=20))
def test_headers_of_rule_files(changed, record, raw, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    text = json.dumps(GOOD | changed) if raw is None else raw
    try:
        path = written(folder / "fuzzed", text, json.dumps(RECORD | record))
    except UnicodeEncodeError:
        return  # No file holds a lone surrogate.
    before = path.read_bytes()
    with contextlib.suppress(BadInput):
        TrainedRule.of(path)
    assert path.read_bytes() == before


CELLS = st.sampled_from(["", "1", "2.5", "nan", "inf", "-1e400", "red", "blue", "NA", '"', "a,b", "\x00", "é", "0"])
TABLES = st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=12).map("\n".join) | st.text(max_size=60)


@settings(max_examples=350, **CASES)
@given(
    text=TABLES,
    suffix=st.sampled_from([".csv", ".npz", ".parquet", ".txt"]),
    column=st.sampled_from(["a", "", "0", "é"]),
)
def test_tables(text, suffix, column, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / f"fuzzed{suffix}"
    file.write_text("a,b,c\n" + text, errors="replace")
    before = file.read_bytes()
    with contextlib.suppress(BadInput):
        load_all([f"{file}:{column}"], None, 1)
    assert file.read_bytes() == before


# What computes for long, or listens, is left to words that can't be meant.
QUICK = ("info", "data", "runs", "report", "watch", "card")
PATHS = ("FOLDER/link", "FOLDER/null", "FOLDER/run", "FOLDER/absent", "default", "list", "", "\x00", "é", "0", "1e999")
OPTIONS = ("--json", "--csv", "--out", "--run", "--once", "--every", "--help", "--no-such", "--labels", "--", "=", "-1")
WORDS = st.sampled_from(PATHS + OPTIONS)


@settings(max_examples=300, **CASES)
@given(command=st.sampled_from([*_COMMANDS, "none", "x:y"]), words=st.lists(WORDS, max_size=4))
def test_command_lines(command, words, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "lines"
    (folder / "run").mkdir(parents=True, exist_ok=True)
    if not (folder / "link").is_symlink():
        make_null(folder / "null")
        (folder / "link").symlink_to(folder / "target")
    arguments = [word.replace("FOLDER", str(folder)) for word in words]
    if command in _COMMANDS and command not in QUICK:
        arguments.append("--no-such-option")
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
        code = main([command, *arguments])
    assert code in (0, 1, 2) and "Traceback" not in err.getvalue()
    assert is_device(folder / "null") and (folder / "link").is_symlink()
