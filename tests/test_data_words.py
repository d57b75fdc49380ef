import gzip
import json

import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.tasks import load


def write(path, lines):
    raw = "\n".join(json.dumps(line) for line in lines).encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return str(path)


SENTENCES = [
    {"split": "train", "label": "good", "text": "A fine fine film, fine"},
    {"split": "train", "label": "bad", "text": "a dull film"},
    {"split": "dev", "label": "bad", "text": "never looked at"},
    {"split": "test", "label": "bad", "text": "dull and dull and unseen"},
]


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    name = write(tmp_path / "t.jsonl", SENTENCES)
    (tmp_path / "marked.jsonl").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "t.jsonl").read_bytes())
    np.testing.assert_array_equal(load(str(tmp_path / "marked.jsonl")).train_x, load(name).train_x)


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_texts_become_the_presence_of_the_train_texts_words_standardised(tmp_path, name):
    data = load(write(tmp_path / name, SENTENCES))
    # Words in alphabetical order: dull, film, fine. CountVectorizer knows no words of one letter. Dull is in one of two
    # texts, so its mean and its deviation are a half; film is in both and becomes zero.
    np.testing.assert_array_equal(data.train_x, [[-1, 0, 1], [1, 0, -1]])
    np.testing.assert_array_equal(data.test_x, [[1, 0, -1]])
    assert data.kind == "text" and data.class_names == ("bad", "good") and data.train_y.tolist() == [1, 0]


def test_the_thousand_most_frequent_words_are_kept(tmp_path):
    often = " ".join(f"often{i}" for i in range(1000))
    lines = [{"label": i % 2, "text": often + f" rare{i}"} for i in range(10)]
    data = load(write(tmp_path / "t.jsonl", lines))
    assert data.train_x.shape == (8, 1000) and (data.train_x == 0).all() and np.bincount(data.test_y).tolist() == [1, 1]


def test_known_sets_are_found_in_their_folders(tmp_path):
    (tmp_path / "imdb").mkdir()
    lines = [{"label": i % 2, "text": f"word{i % 2} film"} for i in range(4)]
    write(tmp_path / "imdb" / "imdb_train.jsonl.gz", lines)
    write(tmp_path / "imdb" / "imdb_test.jsonl.gz", lines[:2])
    data = load("imdb", tmp_path)
    assert data.class_names == ("negative", "positive") and len(data.test_y) == 2 and data.name == "imdb"
    with pytest.raises(BadInput, match="trec.jsonl.gz"):
        load("trec", tmp_path)


def test_bad_texts_get_one_sentence(tmp_path):
    (tmp_path / "latin.jsonl").write_bytes('{"label": 0, "text": "café"}'.encode("latin1"))
    with pytest.raises(BadInput, match="not UTF-8 .*save it in UTF-8"):
        load(str(tmp_path / "latin.jsonl"))
    with pytest.raises(BadInput, match="line 1: no `text`"):
        load(write(tmp_path / "g.jsonl", [{"label": 1}]))
    with pytest.raises(BadInput, match="has no labels"):
        load(write(tmp_path / "f.jsonl", [{"label": None, "text": "x"}]))
    with pytest.raises(BadInput, match="no words were found"):
        load(write(tmp_path / "b.jsonl", [{"label": i % 2, "text": "!"} for i in range(9)]))
    with pytest.raises(BadInput, match="at least two"):
        load(write(tmp_path / "c.jsonl", [{"label": 1, "text": "some words"}] * 9))
    (tmp_path / "d.jsonl").write_text("no json")
    with pytest.raises(BadInput, match="one JSON object a line"):
        load(str(tmp_path / "d.jsonl"))
    with pytest.raises(BadInput, match="no file"):
        load(str(tmp_path / "e.jsonl"))
