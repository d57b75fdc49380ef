"""Data of every form at every door: the transformer, `encode`, `evaluate` and `train --sources` read and prepare alike.

The table of `docs/data.md` is FORMS x DOORS. A form is written as a file, and is an object in memory: features of both
must be the same, and all of them tell classes apart that differ in this form.
"""

import dataclasses
import gzip
import json
from pathlib import Path

import jax.random as jr
import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse
from metarule import UnsupervisedEncoder
from metarule.launch.__main__ import main
from metarule.launch.options._presets import PRESETS
from metarule.launch.options._problems import problems_of
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._rule_file import save_rule
from metarule.tasks import load
from PIL import Image


RECORD = {"network": "3", "weight_scale": 0.5, "batch_size": 5, "evaluation_steps": 2}
TERMS = ("0_order", "1_order", "decorr_x", "large_decay", "lin_lower_symm", "lin_upper_psd", "lin_upper_symm", "rbf")
CHOICE = Lean(hidden=2, signal=1, readout=1, without=(*TERMS, "sqr_lower_symm", "sqr_upper_symm", "w_base"))

MANY = 40
RANDOM = np.random.default_rng(0)
Y = np.arange(MANY) % 2
LABELS = np.array(["cold", "warm"])[Y]
X = RANDOM.normal(size=(MANY, 6)) + 3 * Y[:, None]
PIXELS = np.clip(RANDOM.integers(0, 80, (MANY, 4, 4)) + 100 * Y[:, None, None], 0, 255).astype(np.uint8)
COLOURS = np.stack([PIXELS, PIXELS // 2, 255 - PIXELS], axis=3)
WORDS = [[f"the day was {'icy' if i % 2 == 0 else 'hot'} and number {i}" for i in range(MANY)], LABELS]
FRAME = pandas.DataFrame(
    {
        "size": np.where(np.arange(MANY) % 7 == 3, np.nan, X[:, 0]),
        "count": np.arange(MANY) + 20 * Y,
        "colour": pandas.Series(np.array(["red", "blue", "green"])[np.arange(MANY) % 3]).where(
            np.arange(MANY) % 9 != 1
        ),
        "wet": Y == 1,
        "when": pandas.Timestamp("2024-01-30") + pandas.to_timedelta(np.arange(MANY) * 31 + 200 * Y, unit="h"),
        "said": WORDS[0],
        "unit": "C",
    }
)


def save_texts(path, lines=None):
    lines = lines or [{"text": text, "label": label} for text, label in zip(*WORDS)]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))


def save_images(folder, images):
    for place, (image, label) in enumerate(zip(images, LABELS)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / label / f"{place:03}.png")


def save_forms(folder):
    """Writes every form that is a file."""
    np.savez(folder / "x.npz", x=X, y=LABELS)
    np.savez(folder / "X.npz", X=X, Y=LABELS)
    np.savez(folder / "data.npz", data=X, target=LABELS)
    np.savez(folder / "named.npz", measured=X, said=LABELS, other=X[:3])
    np.savez(folder / "images.npz", images=PIXELS, labels=LABELS)
    np.savez(folder / "first.npz", x=np.moveaxis(COLOURS, 3, 1), y=LABELS)
    np.savez(folder / "last.npz", x=COLOURS, y=LABELS)
    np.savez(folder / "deep.npz", x=PIXELS.astype(np.uint16) * 257, y=LABELS)
    np.save(folder / "x.npy", X)
    np.save(folder / "y.npy", LABELS)
    np.save(folder / "bytes.npy", PIXELS)
    frame = FRAME.assign(kind=LABELS)
    frame.to_csv(folder / "table.csv", index=False)
    frame.to_csv(folder / "table.csv.gz", index=False)
    frame.to_parquet(folder / "table.parquet")
    save_texts(folder / "texts.jsonl.gz")
    save_images(folder / "pictures", PIXELS)
    save_images(folder / "coloured", np.repeat(np.repeat(COLOURS, 2, 1), 2, 2))


BY_CLASS = np.argsort(LABELS, kind="stable")  # As the files of a folder come.
FORMS = {
    "x.npz": X,
    "X.npz": X,
    "data.npz": X,
    "named.npz:measured:said": X,
    "images.npz": PIXELS,
    "first.npz": COLOURS,
    "last.npz": np.moveaxis(COLOURS, 3, 1),
    "deep.npz": PIXELS / 255,
    "x.npy:y.npy": X,
    "bytes.npy:y.npy": PIXELS,
    "table.csv:kind": FRAME,
    "table.csv.gz:kind": polars.from_pandas(FRAME),
    "table.parquet:kind": pyarrow.Table.from_pandas(FRAME),
    "texts.jsonl.gz": WORDS[0],
    "pictures": PIXELS[BY_CLASS],
    "coloured@4": COLOURS[BY_CLASS],
}
FRAMES = [name for name in FORMS if name.startswith("table")]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A place with a rule and data in every form, where the tests of this file run."""
    folder = tmp_path_factory.mktemp("forms")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        save_rule("rule", CHOICE.build(jr.key(0)), configuration_of(CHOICE), RECORD)
        save_forms(folder)
        yield folder


# What every one of these tables has to tell: a column that does not vary, and numbers that miss.
pytestmark = pytest.mark.filterwarnings("ignore:.*(do not vary|filled by the median):UserWarning")


def encoder(**options):
    return UnsupervisedEncoder("rule", random_state=0, **options)


@pytest.mark.parametrize("name", FORMS)
def test_the_transformer_and_encode_make_the_same_features(name):
    assert main(["encode", "rule", name, "--out", "out.npz"]) == 0
    with np.load("out.npz") as arrays:
        features, y = arrays["features"], arrays["y"]
    assert list(y) == list(LABELS[BY_CLASS] if "@" in name or name == "pictures" else LABELS)
    fitted = encoder().fit(FORMS[name])
    np.testing.assert_allclose(features, fitted.transform(FORMS[name]), rtol=1e-5, atol=1e-5)
    assert np.isfinite(features).all() and features.std(0).max() > 0.01
    assert encoder().set_output(transform="pandas").fit_transform(FORMS[name]).shape == (MANY, 3)


@pytest.mark.parametrize("name", FORMS)
def test_evaluate_tells_the_classes_apart(name):
    sizes = ["--labels", "5", "--seeds", "1", "--queries", "8", "--readouts", "ridge", "--encoders", "raw"]
    assert main(["evaluate", "rule", "--tasks", name, *sizes, "--json", "rows.json"]) == 0
    (row,) = json.loads(Path("rows.json").read_text())
    assert row["accuracy"] >= 7 / 8


@pytest.mark.parametrize("name", FORMS)
def test_train_draws_tasks_from_what_evaluate_reads(name):
    training = dataclasses.replace(
        PRESETS["quick"], sources=(name,), networks=("3",), ways=2, shots=2, batch_sizes=(5,), augmentation="none"
    )
    ((problem,), _) = problems_of(training, None)
    data_set, pool = load(name), problem.tasks.pool
    assert len(data_set.train_y) == 32 and len(data_set.test_y) == 8
    drawn = np.asarray(pool.examples)
    drawn = np.moveaxis(drawn, 1, 3) if drawn.ndim == 4 else drawn
    assert sorted(map(bytes, drawn)) == sorted(map(bytes, data_set.train_x))


@pytest.mark.slow
def test_train_meta_trains_on_a_table_of_all_kinds(tmp_path):
    options = (
        "--rule.hidden 2 --rule.signal 1 --rule.readout 1 --networks 3 --ways 2 --shots 2 --batch-sizes 5 "
        "--augmentation none --horizon.low 2 --steps 1 --validate-every 1 --evaluation-steps 2 --labels 2 --seeds 1 "
        "--devices 1 --estimator.population.tasks 1 --estimator.window.low 2"
    )
    assert main(["train", "--sources", "table.csv:kind", *options.split(), "--run", str(tmp_path / "run")]) == 0


def test_a_sparse_matrix_is_what_it_is_as_an_array():
    dense = np.where(X > 2, X, 0)
    sparse = scipy.sparse.csr_matrix(dense)
    scipy.sparse.save_npz("sparse.npz", sparse)
    expected = encoder().fit(dense)
    fitted = encoder().fit(sparse)
    np.testing.assert_allclose(fitted.transform(sparse), expected.transform(dense), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(fitted.transform(sparse.tocoo()), fitted.transform(dense))
    assert main(["encode", "rule", "sparse.npz", "--out", "out.npy"]) == 0
    np.testing.assert_array_equal(np.load("out.npy"), fitted.transform(sparse))
