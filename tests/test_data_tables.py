import gzip

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from metarule.errors import BadInput
from metarule.tasks import load, load_inputs


def rows(many=20):
    generator = np.random.default_rng(0)
    return [
        {"size": float(generator.normal(5, 2)), "colour": ("red", "blue", "green")[i % 3], "kind": f"k{i % 2}"}
        for i in range(many)
    ]


def write_csv(path, table):
    text = "\n".join([",".join(table[0]), *(",".join(str(cell) for cell in row.values()) for row in table)])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return f"{path}:kind"


def test_the_three_forms_of_a_table_are_the_same_data(tmp_path):
    table = rows()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), tmp_path / "t.parquet")
    names = [write_csv(tmp_path / f, table) for f in ("t.csv", "t.csv.gz")] + [f"{tmp_path / 't.parquet'}:kind"]
    first, *others = [load(name) for name in names]
    for other in others:
        np.testing.assert_allclose(other.train_x, first.train_x, atol=1e-6)
        np.testing.assert_array_equal(other.test_y, first.test_y)
    assert first.kind == "table" and first.class_names == ("k0", "k1") and len(first.test_y) == 4


def test_numbers_are_standardised_by_the_train_split_and_words_become_columns(tmp_path):
    data = load(write_csv(tmp_path / "t.csv", rows()))
    assert data.train_x.shape == (16, 4)
    np.testing.assert_allclose(data.train_x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(data.train_x.std(0), 1, atol=1e-5)
    assert [len(np.unique(data.train_x[:, column].round(5))) for column in range(4)] == [16, 2, 2, 2]
    raw = {row["size"] for row in rows()}
    both = np.concatenate([data.train_x[:, 0], data.test_x[:, 0]])
    order = np.array(sorted(raw))
    np.testing.assert_allclose(np.corrcoef(np.sort(both), order)[0, 1], 1, atol=1e-6)


def changed(**cells):
    table = rows()
    for name, function in cells.items():
        for place, row in enumerate(table):
            row[name] = function(place)
    return table


BAD = {
    "no column varies": changed(size=lambda i: 3, colour=lambda i: "red"),
    "column 'size' holds infinity": changed(size=lambda i: "inf" if i < 1 else i),
    "at least two": changed(kind=lambda i: "k"),
    "has no labels": changed(kind=lambda i: ""),
}


GAPS = (1, 2, 5, 6, 8)


@pytest.mark.parametrize("mark", ["", "?", "nan", "NA"])
def test_a_missing_number_gets_the_median_and_a_flag_and_a_missing_word_is_a_category(tmp_path, mark):
    """Gaps and constant columns are said, and the rest is what it is without them."""
    name = write_csv(tmp_path / "t.csv", changed(size=lambda i: mark if i in GAPS else i**2, colour=lambda i: "red"))
    with pytest.warns(UserWarning, match="not vary are left out: colour_red; .* filled by the median, .*: size"):
        data = load(name)
    plain = changed(size=lambda i: i**2, colour=lambda i: 1 if i in GAPS else 0)
    whole = load(write_csv(tmp_path / "w.csv", plain))
    gap = whole.train_x[:, 1] > 0
    assert data.train_x.shape == (16, 2) and 2 < gap.sum() <= 5
    np.testing.assert_allclose(data.train_x[:, 1], whole.train_x[:, 1], atol=1e-6)  # The flag.
    filled = data.train_x[:, 0]
    np.testing.assert_allclose(filled[gap], np.median(filled[~gap]), atol=1e-6)
    np.testing.assert_allclose(np.corrcoef(filled[~gap], whole.train_x[~gap, 0])[0, 1], 1, atol=1e-6)
    words = load(write_csv(tmp_path / "w.csv", changed(colour=lambda i: ("", "red")[i % 2])))
    assert words.train_x.shape[1] == 3


@pytest.mark.parametrize("sentence", BAD)
def test_bad_tables_get_one_sentence(tmp_path, sentence):
    with pytest.raises(BadInput, match=sentence):
        load(write_csv(tmp_path / "t.csv", BAD[sentence]))


def test_the_label_column_must_be_named_and_be_there(tmp_path):
    name = write_csv(tmp_path / "t.csv", rows())
    with pytest.raises(BadInput, match="name its label column"):
        load(name.removesuffix(":kind"))
    with pytest.raises(BadInput, match="no column 'price'; its columns are size, colour, kind"):
        load(name.replace(":kind", ":price"))
    with pytest.raises(BadInput, match="no file"):
        load(str(tmp_path / "absent.parquet") + ":kind")


@pytest.mark.parametrize(
    "cells, sentence",
    [
        ({"size": [[1, 2], [3, 4]] * 5, "kind": ["a", "b"] * 5}, "'size' holds lists, not numbers or words"),
        ({"size": [b"a", b"b"] * 5, "kind": [1, 2] * 5}, "'size' holds bytes"),
    ],
)
def test_bad_parquet_gets_one_sentence(tmp_path, cells, sentence):
    pyarrow.parquet.write_table(pyarrow.table(cells), tmp_path / "t.parquet")
    with pytest.raises(BadInput, match=sentence):
        load(f"{tmp_path / 't.parquet'}:kind")


def test_damaged_tables_are_named(tmp_path):
    (tmp_path / "a.csv").write_bytes("größe,kind\n1,a".encode("latin1"))
    (tmp_path / "b.csv").write_text("size,kind\n1,a\n2")
    (tmp_path / "c.csv").write_text("size,size,kind\n1,1,a")
    (tmp_path / "d.csv").write_text("size,kind")
    (tmp_path / "e.parquet").write_text("none")
    sentences = {
        "a.csv": "not UTF-8",
        "b.csv": "row 3: 1 cells but 2 columns",
        "c.csv": "two columns alike",
        "d.csv": "no rows",
        "e.parquet": "can't be read as parquet",
    }
    for file, sentence in sentences.items():
        with pytest.raises(BadInput, match=sentence):
            load(f"{tmp_path / file}:kind")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize(
    "name, text",
    [
        ("a.csv", "size,said;so,kind\n1.5,x,a\n-2,y,b\n"),
        ("b.csv", "size;said\tso;kind\n1,5;x,z;a\n-2;y;b\n"),
        ("c.tsv", "size\tsaid so\tkind\n1.5\tx;z\ta\n-2\ty\tb\n"),
        ("d.csv", "\r\nsize;kind\r\n1,5;a\r\n-2,0;b\r\n"),
    ],
)
def test_tables_as_spreadsheets_write_them(tmp_path, encoding, name, text):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / name).write_bytes((mark + text).encode(encoding))
    (part,), _ = load_inputs(f"{tmp_path / name}:kind")
    assert list(part.y) == ["a", "b"] and [float(size) for size in part.x["size"]] == [1.5, -2.0]
    assert len(part.x.columns) == (1 if name == "d.csv" else 2)


def test_known_tables_are_standardised(tmp_path):
    (tmp_path / "tabular").mkdir()
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 101, (40, 16), np.uint8), (np.arange(40) % 10).astype(np.uint8)
    np.savez(tmp_path / "tabular" / "pendigits.npz", train_x=x[:30], train_y=y[:30], test_x=x[30:], test_y=y[30:])
    data = load("pendigits", tmp_path)
    expected = (x[30:] - x[:30].mean(0)) / x[:30].std(0)
    np.testing.assert_allclose(data.test_x, expected, atol=1e-4)
    assert data.class_names == tuple("0123456789")
