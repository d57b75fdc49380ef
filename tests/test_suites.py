"""Which data sets serve for what: the three parts share neither a data set nor an example."""

import csv
import gzip
import itertools
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from metarule.tasks import DataSet, embedded, known, load, SUITES, topics, TRAINING
from metarule.tasks.catalogue._load import find
from metarule.tasks.catalogue._sources import SOURCES
from metarule.tasks.made_up._handwriting import handwriting
from metarule.tasks.made_up._mixtures import manifolds, mixtures


DATA = os.environ.get("METARULE_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="METARULE_DATA is not set")
PARTS = {"training": TRAINING, **SUITES}
MADE_UP = ("embedded", "topics", "tables")  # Names of sources that are no known data sets.


def test_every_name_is_known_and_in_one_part():
    names = [name for part in PARTS.values() for name in part]
    assert len(set(names)) == len(names)
    usual = {line.name for line in known()}
    assert all(name in usual or name in MADE_UP for name in names)
    tables = {source.name for source in SOURCES if source.folder == "tables"}
    assert len(tables) == 22 and tables <= set(names)


def test_a_file_serves_two_parts_only_with_classes_of_its_own():
    classes = {}
    for part, names in PARTS.items():
        for name in set(names) - set(MADE_UP):
            source, _ = find(name)
            for file in source.files:
                kept = getattr(source, "kept", None)
                held = classes.setdefault((source.folder, file), {}).setdefault(part, set())
                held |= set(range(200)) if kept is None else set(kept)
    shared = {file: parts for file, parts in classes.items() if len(parts) > 1}
    assert [file for _, file in shared] == ["tiny_imagenet_32_jpeg.npz"]
    (parts,) = shared.values()
    assert parts["training"].isdisjoint(parts["development"]) and len(parts["training"] | parts["development"]) == 200


def test_made_up_data_of_development_are_not_those_of_training():
    letters = {name for source in embedded(14).training for name in source.class_names}
    # With other numbers of examples, which say nothing of the characters.
    chosen = written("handwriting10"), written("handwriting20")
    first, second = (handwriting(14, characters, 5, 0).class_names for characters in chosen)
    assert letters.isdisjoint(first + second) and set(first).isdisjoint(second)
    texts = load("topics20")
    assert set(texts.class_names).isdisjoint(topics(256, 160, seed=0).class_names)
    assert set(texts.class_names).isdisjoint(topics(256, 40, seed=1).class_names)


def written(name):
    """The characters of a known data set of handwriting."""
    return find(name)[0].make.args[1]


MADE = {
    "handwriting": (lambda: handwriting(14, range(4), 150, 0), (14, 14)),
    "mixtures": (lambda: mixtures(2), (72,)),
    "manifolds": (lambda: manifolds(3), (30,)),
}


@pytest.mark.parametrize("name", MADE)
def test_classes_of_made_up_data_are_no_round_clusters(name):
    """Neighbours tell the classes apart where their means do not."""
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

    make, shape = MADE[name]
    data = make()
    assert data.train_x.shape[1:] == shape and len(data.train_y) == pytest.approx(4 * len(data.test_y), rel=0.01)
    assert (make().train_x == data.train_x).all()
    train, test = (data.train_inputs(), data.train_y), (data.test_inputs(), data.test_y)
    near, mean = (each.fit(*train).score(*test) for each in (KNeighborsClassifier(5), NearestCentroid()))
    assert near > mean + 0.05 and mean > 1.5 / data.classes


def test_some_classes_of_a_jpeg_file(tmp_path):
    import io

    from metarule.tasks.catalogue._jpeg import JpegSource
    from PIL import Image

    def file(value):
        out = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(out, "jpeg", quality=95)
        return out.getvalue()

    labels = np.array([0, 1, 2, 2, 1, 0], np.uint8)
    files = [file(60 * label + 20) for label in labels]
    arrays = {"class_names": np.array(["a", "b, bee", "c"])}
    for split in ("train", "val"):
        arrays[f"{split}_jpeg"] = np.frombuffer(b"".join(files), np.uint8)
        arrays[f"{split}_offsets"] = np.cumsum([0, *map(len, files)])
        arrays[f"{split}_labels"] = labels
    np.savez(tmp_path / "f.npz", **arrays)
    part = JpegSource("part", "", ("f.npz",), (None,), ("train", "val"), kept=(2, 1)).read(tmp_path)
    assert part.class_names == ("c", "b") and part.train_y.tolist() == [1, 0, 0, 1] == part.test_y.tolist()
    assert np.abs(part.train_x.mean((1, 2, 3)) - [80, 140, 140, 80]).max() < 3
    whole = JpegSource("whole", "", ("f.npz",), (None,), ("train", "val")).read(tmp_path)
    assert whole.train_y.tolist() == labels.tolist() and len(whole.test_x) == 6


@needs_data
@pytest.mark.parametrize("name", [n for part in SUITES.values() for n in part if find(n)[0].folder == "tables"])
def test_tables_hold_out_two_fifths_and_leave_ten_labels_a_class(name):
    data = load(name)
    counts = np.bincount(data.train_y), np.bincount(data.test_y)
    assert (counts[1] == np.round(0.4 * (counts[0] + counts[1]))).all()
    data.require(10)
    assert data.kind == "table" and np.isfinite(data.train_x).all() and np.isfinite(data.test_x).all()


def examples(name: str) -> set:
    """The examples of a data set as they stand in its files: words of texts, rows of tables, images as bytes."""
    source, _ = find(name, Path(DATA or ""))
    if not source.files:
        return rows_of(load(name))
    folder = Path(DATA or "") / source.folder
    if source.files[0].endswith(".jsonl.gz"):
        lines = [json.loads(line) for file in source.files for line in gzip.open(folder / file, "rt")]
        return {" ".join(re.findall(r"\w+", line["text"].lower())) for line in lines}
    if source.files[0].endswith(".csv.gz"):
        with gzip.open(folder / source.files[0], "rt") as file:
            header, *rows = csv.reader(file)
        # A row of few columns is no sign of a common origin.
        return {tuple(sorted(row)) for row in rows} if len(header) > 4 else set()
    if source.files[0].endswith("_jpeg.npz"):
        return jpegs(folder / source.files[0], source)
    return rows_of(source.read(folder))


def rows_of(data: DataSet) -> set:
    return {row.tobytes() for row in (*data.train_x, *data.test_x)}


def jpegs(path, source) -> set:
    found = set()
    with np.load(path) as archive:
        for split in source.splits:
            blob, offsets = archive[f"{split}_jpeg"].tobytes(), archive[f"{split}_offsets"]
            for index, label in enumerate(archive[f"{split}_labels"]):
                if source.kept is None or int(label) in source.kept:
                    found.add(blob[offsets[index] : offsets[index + 1]])
    return found


IMAGES = ("tiny_imagenet", "mnist", "fashion", "cifar", "omniglot", "handwriting", "digits")


@needs_data
@pytest.mark.parametrize("images", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_no_example_is_in_two_parts(images):
    held = {
        part: {name: examples(name) for name in names if name not in MADE_UP and name.startswith(IMAGES) == images}
        for part, names in PARTS.items()
    }
    for one, other in itertools.combinations(held.values(), 2):
        for (name, ours), (other_name, theirs) in itertools.product(one.items(), other.items()):
            assert ours.isdisjoint(theirs), f"{name} and {other_name} share {len(ours & theirs)} examples"


@needs_data
def test_two_files_of_film_reviews_share_most_of_them():
    """Why both are on one side; and so the check above can fail."""
    assert len(examples("sst2") & examples("mr_polarity")) > 5000
