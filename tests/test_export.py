"""`metarule export`: a fitted encoder as ONNX, PyTorch and NumPy makes the features that `transform` makes."""

import ast
import copy
import importlib.util
import sys
import warnings

import jax.random as jr
import numpy as np
import onnx
import onnxruntime
import pandas
import pytest
from metarule import UnsupervisedEncoder
from metarule.launch.__main__ import main
from metarule.launch.exports._frozen import Frozen
from metarule.launch.exports._graph import graph
from metarule.launch.options._networks import ACTIVATIONS
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._rule_file import save_rule
from metarule.models import WordWeights
from sklearn.datasets import load_wine


RECORD = {"network": "4-3", "weight_scale": 0.5, "batch_size": 5, "evaluation_steps": 2}
RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(60, 4)) * (1, 1000, 0.1, 1) + (3, 3000, 0, 0)
GAPS = np.where(RANDOM.random((60, 4)) < 0.1, np.nan, ROWS)
IMAGES = RANDOM.integers(0, 256, (60, 9, 9, 3), dtype=np.uint8)
WORDS = np.array([f"word{number}" for number in range(150)])
TEXTS = [" ".join(RANDOM.choice(WORDS, RANDOM.integers(2, 30))) for _ in range(80)]
ENCODERS = {
    "table": (GAPS, {"skip": 2, "prototypes": 5, "memory": 9}),
    "pictures": (IMAGES, {"skip": 3, "prototypes": 5, "memory": 9}),
    "images": (IMAGES, {"skip": 3, "prototypes": 5, "activation": "tanh", "network": "conv3x3s2x4-2x2x3-quadrants"}),
    "mirrored": (IMAGES, {"skip": 3, "prototypes": 5, "memory": 9, "mirrored": "yes"}),
    "mirrored convolutions": (
        IMAGES[..., :1],
        {"skip": 3, "prototypes": 5, "memory": 9, "network": "conv3x3x3-quadrants", "mirrored": "yes"},
    ),
    # Many rows are a prototype of their own, where distances lose digits.
    "prototypes": (load_wine().data, {"skip": 0, "memory": 0, "prototypes": 44}),
    "categories": (np.rint(GAPS / (1, 1000, 0.1, 1)), {"skip": 2, "prototypes": 5, "memory": 9}),
    "bare": (ROWS, {"skip": 0, "memory": 0, "standardise": False}),
}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A place with a rule, where the tests of this file run."""
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        choice = Lean(hidden=2, signal=1, readout=1)
        save_rule("rule", choice.build(jr.key(0)), configuration_of(choice), RECORD)
        np.savez("images.npz", x=IMAGES)
        frame = pandas.DataFrame(ROWS, columns=["a", "b", "c", "d"])
        frame.to_csv("table.csv", index=False)
        frame.assign(colour=np.array(["red", "blue"])[np.arange(60) % 2]).to_csv("colours.csv", index=False)
        yield folder


@pytest.fixture(scope="module")
def fitted():
    """Encoders by the name of what is special about them, each fitted once."""
    made = {}

    def fit(name):
        x, settings = ENCODERS[name]
        if name not in made:
            with warnings.catch_warnings(action="ignore"):  # That a table is one of categories.
                made[name] = UnsupervisedEncoder("rule", random_state=0, **settings).fit(x)
        return x, made[name]

    return fit


def imported(name):
    spec = importlib.util.spec_from_file_location(name, f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_equal(found, expected):
    """To 1e-5 of the features' size."""
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def of_onnx(content, rows):
    rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
    return onnxruntime.InferenceSession(content).run(None, {"rows": rows})[0]


def of_module(library, encoder, rows):
    from metarule.launch.exports._module import module

    text, arrays = module(Frozen.of(encoder), library)
    name = f"{library}_module"
    for suffix, content in (("py", text.encode()), ("npz", arrays)):
        with open(f"{name}.{suffix}", "wb") as file:
            file.write(content)
    return np.asarray(imported(name).Encoder()(rows.reshape(len(rows), -1)))


@pytest.mark.parametrize("name", ENCODERS)
def test_onnxruntime_makes_the_features_of_transform(name, fitted):
    x, encoder = fitted(name)
    assert_equal(of_onnx(graph(Frozen.of(encoder)), x), encoder.transform(x))


@pytest.mark.parametrize("name", ENCODERS)
def test_a_module_of_numpy_makes_them(name, fitted):
    x, encoder = fitted(name)
    assert_equal(of_module("numpy", encoder, x), encoder.transform(x))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed: pip install torch")
@pytest.mark.parametrize("name", ENCODERS)
def test_a_module_of_pytorch_makes_them(name, fitted):
    x, encoder = fitted(name)
    assert_equal(of_module("torch", encoder, x), encoder.transform(x))


def test_words_are_weighed_alike():
    encoder = UnsupervisedEncoder("rule", random_state=0, skip=3, prototypes=5, memory=9).fit(TEXTS)
    numbers = encoder.preparation_.columns(pandas.DataFrame({"text": TEXTS}))
    assert isinstance(encoder.views_.seen, WordWeights)
    assert_equal(of_onnx(graph(Frozen.of(encoder)), numbers), encoder.transform(TEXTS))
    assert_equal(of_module("numpy", encoder, numbers), encoder.transform(TEXTS))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_known(activation, fitted):
    x, encoder = fitted("bare")
    other = copy.copy(encoder)
    other.activation_, other._learned = activation, encoder._learned._replace(activation=activation)
    expected = other.transform(x)
    assert activation == "relu" or not np.allclose(expected, encoder.transform(x))
    assert_equal(of_onnx(graph(Frozen.of(other)), x), expected)
    assert_equal(of_module("numpy", other, x), expected)


def test_a_far_outlier_is_cut_off_alike(fitted):
    _, encoder = fitted("table")
    far = np.array([[1e30, 0, 0, np.nan]])
    assert_equal(of_onnx(graph(Frozen.of(encoder)), far), encoder.transform(far))


def test_the_command_writes_what_it_says(capsys):
    x = pandas.read_csv("table.csv").to_numpy()
    expected = UnsupervisedEncoder("rule", random_state=0, skip=2, memory=9).fit_transform(pandas.read_csv("table.csv"))
    options = ["--skip", "2", "--memory", "9"]
    assert main(["export", "rule", "table.csv", "--to", "onnx", "--out", "made.onnx", *options]) == 0
    assert "Rows of 4 numbers (a, b, c, d), NaN where one is missing, become 13 features." in capsys.readouterr().out
    assert_equal(of_onnx("made.onnx", x), expected)
    assert [prop.value for prop in onnx.load("made.onnx").metadata_props] == ["a\nb\nc\nd"]
    assert main(["export", "rule", "table.csv", "--to", "numpy", "--out", "made.py", *options]) == 0
    assert_equal(imported("made").Encoder()(x), expected)


def test_columns_of_words_enter_as_the_numbers_that_are_made_of_them(capsys):
    assert main(["export", "rule", "colours.csv", "--to", "onnx", "--out", "colours.onnx"]) == 0
    assert "Rows of 6 numbers (a, b, c, d, colour_blue, colour_red)" in capsys.readouterr().out
    frame = pandas.read_csv("colours.csv")
    encoder = UnsupervisedEncoder("rule", random_state=0).fit(frame)
    assert_equal(of_onnx("colours.onnx", encoder.preparation_.columns(frame)), encoder.transform(frame))


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["table.csv", "--to", "onnx", "--out", "made.py"], "name it NAME.onnx"),
        (["table.csv", "--to", "numpy", "--out", "a-b.py"], "name it NAME.py, of letters and digits"),
        (["images.npz", "--to", "numpy", "--out", "images.py"], "images.npz is an input"),
        (["images.npz", "--to", "numpy", "--out", "m.py", "--network", "attention2x2x4h2-mean"], "has attention"),
    ],
)
def test_what_cant_be_exported_is_said_in_one_sentence(arguments, sentence, capsys):
    assert main(["export", "rule", *arguments]) == 2
    out, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1 and not out


def test_a_missing_onnx_is_said_before_anything_is_fitted(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)
    assert main(["export", "rule", "table.csv", "--to", "onnx", "--out", "made.onnx"]) == 2
    assert "pip install 'metarule[export]'" in capsys.readouterr().err


def test_repeated_rows_are_no_matter():
    """Anchors lie in one place then, and which of them is nearest is up to rounding."""
    x = np.random.default_rng(0).exponential(size=(200, 3))
    x[np.random.default_rng(1).random(200) < 0.4] = 0
    encoder = UnsupervisedEncoder("rule", memory=50, random_state=0).fit(x)
    for found in (of_module("numpy", encoder, x), of_onnx(graph(Frozen.of(encoder)), x)):
        assert_equal(found, encoder.transform(x))


def test_names_of_columns_are_no_code_in_a_module():
    from metarule.launch.exports._module import module

    name = '"""\nraise SystemExit("code of the data ran")\n"""\\'
    x = pandas.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), columns=[name, "b"])
    encoder = UnsupervisedEncoder("rule", random_state=0).fit(x)
    for library in ("numpy", "torch"):
        text, _ = module(Frozen.of(encoder), library)
        (docstring,) = [node.value.value for node in ast.parse(text).body if isinstance(node, ast.Expr)]
        assert f"Rows of 2 numbers ({name}, b)" in docstring
    assert_equal(of_module("numpy", encoder, x.to_numpy()), encoder.transform(x))
