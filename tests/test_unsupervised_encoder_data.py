"""The transformer on data that come in parts, from disk, with gaps and outliers, and in other processes."""

import os
import pickle
import subprocess
import sys
import tracemalloc

import jax
import jax.numpy as jnp
import jax.random as jr
import joblib
import numpy as np
import pandas
import pytest
from metarule import UnsupervisedEncoder
from metarule.errors import BadInput
from metarule.launch.encoders import _encoder
from metarule.launch.features._learner import Learner
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._rule_file import load_rule_like, save_rule
from metarule.models import Form, Window
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline


RECORD = {"network": "3", "weight_scale": 0.5, "batch_size": 5, "evaluation_steps": 2}
TERMS = ("0_order", "1_order", "decorr_x", "large_decay", "lin_lower_symm", "lin_upper_psd", "lin_upper_symm", "rbf")
CHOICE = Lean(hidden=2, signal=1, readout=1, without=(*TERMS, "sqr_lower_symm", "sqr_upper_symm", "w_base"))
X = np.random.default_rng(0).normal(size=(40, 4)) * (1, 10, 0.1, 2) + 3


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A place with a rule file `rule`, where the tests of this file run."""
    folder = tmp_path_factory.mktemp("rules")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        save_rule("rule", CHOICE.build(jr.key(0)), configuration_of(CHOICE), RECORD)
        yield folder


def encoder(**options):
    return UnsupervisedEncoder(**{"rule": "rule", "random_state": 0, **options})


@pytest.mark.parametrize("views", [{}, {"skip": 2, "memory": 20}])
def test_partial_fit_goes_on_where_it_stopped(views):
    """Eight batches of five are one look at 40 examples; the same examples twice have the same statistics."""
    once, fitted = encoder(**views).partial_fit(X), encoder(steps=8, **views).fit(X)
    np.testing.assert_array_equal(once.transform(X), fitted.transform(X))
    twice, long = once.partial_fit(X), encoder(steps=16).fit(X)
    assert twice.n_iter_ == long.n_iter_ == 16
    np.testing.assert_allclose(
        twice.transform(X)[:, :3], encoder(steps=16, **views).fit(X).transform(X)[:, :3], atol=1e-2
    )
    np.testing.assert_allclose(twice.coefs_[0], long.coefs_[0], rtol=1e-4, atol=1e-5)


def test_partial_fit_after_fit_goes_on_with_the_same_preparation():
    fitted, more = encoder(steps=8).fit(X), encoder(steps=8).fit(X).partial_fit(X + 1)
    assert more.preparation_.scaling.offset.tolist() == fitted.preparation_.scaling.offset.tolist()
    assert more.n_iter_ == 16 and not np.allclose(more.transform(X), fitted.transform(X))


def test_statistics_are_of_examples_spread_over_all_calls(monkeypatch):
    monkeypatch.setattr(_encoder, "SAMPLE", 30)
    parts = [np.full((many, 1), value, np.float32) for value, many in enumerate((20, 40, 60))]
    kept, seen = parts[0], 20
    for part in parts[1:]:
        kept, seen = _encoder.spread(kept, seen, _encoder.evenly_spaced(part, 30), len(part)), seen + len(part)
    assert np.bincount(kept[:, 0].astype(int)).tolist() == [5, 10, 15]


def test_very_wide_examples_are_kept_in_smaller_numbers():
    assert [_encoder.most_of(inputs) for inputs in (1, 3000, 10_000, 10**6)] == [40_000, 40_000, 13_421, 256]
    assert [_encoder.images_of(inputs) for inputs in (784, 3072, 3 * 96**2, 3 * 224**2)] == [1000, 1000, 303, 55]


def test_a_memory_map_is_read_in_parts(folder, monkeypatch):
    """At no time is there more than a part of it in memory, which here is 5% and a sample, as usual for wide rows, of
    10,000."""
    monkeypatch.setattr(_encoder, "_NUMBERS", 0)
    monkeypatch.setattr("metarule.tasks.data._scaling._NUMBERS", 2**18)
    np.save(folder / "large.npy", np.random.default_rng(0).normal(size=(80_000, 64)))
    mapped = np.load(folder / "large.npy", mmap_mode="r")
    tracemalloc.start()
    fitted = encoder().fit(mapped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * mapped.nbytes
    np.testing.assert_array_equal(fitted.transform(mapped)[-5:], fitted.transform(np.asarray(mapped[-5:])))


def test_features_of_an_outlier_are_finite():
    fitted = encoder(skip=2, memory=20).fit(X)
    for value in (1e30, -1e300):
        assert np.isfinite(fitted.transform(np.where(X > 5, value, X))).all()
    unscaled = encoder(standardise=False).fit(X)
    with pytest.raises(BadInput, match="Features of row 0 are not finite"):
        unscaled.transform(np.full((1, 4), 1e300))


def test_gaps_of_an_array_are_filled_whether_they_were_seen_or_not():
    plain = encoder().fit(X)
    gap = X.copy()
    gap[0, 1] = np.nan
    filled = X.copy()
    filled[0, 1] = np.median(X[:, 1])
    np.testing.assert_allclose(plain.transform(gap), plain.transform(filled), rtol=1e-5, atol=1e-6)
    assert encoder().fit(gap).preparation_.inputs == 5


def test_a_frame_of_numbers_is_what_it_is_as_an_array():
    frame = pandas.DataFrame(X, columns=list("abcd"))
    fitted = encoder().fit(frame)
    np.testing.assert_allclose(fitted.transform(frame), encoder().fit(X).transform(X), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(frame.rename(columns={"a": "z"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_allclose(fitted.transform(X), fitted.transform(frame), rtol=1e-5, atol=1e-5)


def test_words_of_tf_idf_go_through_a_pipeline():
    texts = [f"the {'icy cold' if i % 2 else 'hot dry'} day {i}" for i in range(40)]
    labels = np.arange(40) % 2
    pipeline = make_pipeline(TfidfVectorizer(), encoder(), RidgeClassifier()).fit(texts[:30], labels[:30])
    assert pipeline.score(texts[30:], labels[30:]) == 1


def test_texts_and_numbers_are_told_apart():
    with pytest.raises(BadInput, match="These are texts"):
        encoder().fit(X).transform(["a text", "another one"])
    fitted = encoder().fit(["a text", "another one", "a third text"])
    with pytest.raises(BadInput, match="This is one text: give a list of texts"):
        fitted.transform("a text")
    with pytest.raises(BadInput, match="Some of the examples are texts and others are not"):
        fitted.transform(["a text", 3])


@pytest.mark.parametrize("form", [pandas.Series, np.array, tuple, lambda texts: np.array(texts, object)])
def test_texts_come_in_any_sequence_or_column(form):
    texts = ["a cold day", "a hot day", "no day at all", "cold"]
    fitted = encoder().fit(form(texts))
    np.testing.assert_array_equal(fitted.transform(form(texts)), encoder().fit_transform(texts))
    gaps = pandas.Series(["cold", None, np.nan, pandas.NA])
    with pytest.warns(UserWarning, match="3 of 4 texts are missing: they are taken as empty"):
        found = fitted.transform(gaps)
    np.testing.assert_array_equal(found, fitted.transform(["cold", "", "", ""]))


def test_texts_that_repeat_are_texts_all_the_same():
    texts = ["good", "bad", "good and bad"] * 20
    fitted = encoder(skip=2).fit(texts)
    assert fitted.form_ == Form(words=True) and fitted.n_iter_ == 2


def test_images_of_other_libraries_and_in_lists_are_images():
    images = np.random.default_rng(0).integers(0, 256, (20, 5, 6), dtype=np.uint8)
    expected = encoder().fit_transform(images)
    for form in (jnp.asarray, list, lambda images: images.tolist()):
        np.testing.assert_allclose(encoder().fit_transform(form(images)), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(BadInput, match="The examples differ in size"):
        encoder().fit([images[0], images[1, :3]])
    with pytest.raises(BadInput, match="There are no rows"):
        encoder().fit([])
    with pytest.raises(BadInput, match="There are no rows"):
        encoder().fit(pandas.DataFrame({"a": []}))


def test_an_image_has_the_same_features_alone_and_as_a_row_of_pixels():
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 4)).astype(float)
    images[0] = np.linspace(0, 1, 12).reshape(3, 4)  # Alone it could be an image in [0, 1].
    fitted = encoder().fit(images)
    features = fitted.transform(images)
    with pytest.warns(UserWarning, match="unless they are that dark"):
        np.testing.assert_array_equal(fitted.transform(images[:1]), features[:1])
    np.testing.assert_array_equal(fitted.transform(images.reshape(20, -1)), features)
    np.testing.assert_allclose(encoder().fit_transform(images / 255), features, atol=1e-5)


def test_what_was_learned_is_there_after_every_call():
    fitted = encoder(skip=2).partial_fit(X)
    before = fitted.coefs_[0]
    assert before.shape == (4, 3) and fitted.views_.skip is not None and fitted.form_ == Form()
    assert list(fitted.get_feature_names_out()) == ["rule0", "rule1", "rule2", "component0", "component1"]
    fitted.partial_fit(2 * X)
    assert not np.allclose(fitted.coefs_[0], before)
    for name in ("coefs_", "intercepts_", "views_", "form_"):
        assert not hasattr(encoder(), name)


def test_a_second_start_finds_its_programs_on_disk():
    """As a second process does: nothing is left in memory, and everything is read from the folder."""
    counted, own = [], X[:, :3]
    jax.monitoring.register_event_listener(lambda event, **_: counted.append(event.rpartition("/")[2]))
    for _ in range(2):
        jax.clear_caches()
        counted.clear()
        encoder(network="5-2").fit(own).transform(own)
    print(counted)
    assert counted.count("cache_hits") >= 5 > counted.count("cache_misses")


def test_programs_are_kept_though_others_were_compiled_before(tmp_path):
    program = """
import jax
jax.jit(lambda x: x + 1)(1.0)
from metarule.launch.caches._compilations import cache_compilations
print(cache_compilations())
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.jit(lambda x: x * 2)(1.0)
"""
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    environment["XDG_CACHE_HOME"] = str(tmp_path)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    folder = tmp_path / "metarule" / "compiled"
    assert done.stdout.strip() == str(folder) and any(folder.iterdir())


def test_verbose_tells_where_programs_are_kept_and_how_many_steps_there_were(capsys):
    encoder(verbose=True).fit(X)
    said = capsys.readouterr().err
    assert "40 examples of 4 inputs for 3; programs in /" in said and "2 steps in" in said
    encoder().fit(X)
    assert capsys.readouterr().err == ""


def test_what_stands_for_the_pixels_of_images_is_made_of_their_patches():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    rows, sizes = images.reshape(40, 64), {"skip": 3, "prototypes": 4, "memory": 8}
    given = encoder(**sizes).fit(images)
    found = given.transform(images)
    np.testing.assert_array_equal(encoder(image_shape=(8, 8), **sizes).fit_transform(rows), found)
    assert given.views_.seen.window == Window(3) and given.views_.seen.shape == (8, 8, 1)
    plain = encoder(**sizes).fit(rows)  # Nobody says that these are images.
    assert plain.views_.seen is None
    np.testing.assert_array_equal(plain.transform(rows)[:, :3], found[:, :3])
    assert plain.transform(rows).shape[1] + 3 == found.shape[1] and given.views_.detail is not None
    assert np.abs(plain.transform(rows)[:, 3:6] - found[:, 3:6]).max() > 0.01
    with pytest.raises(BadInput, match="72 columns, not 64"):
        encoder(image_shape=(9, 8)).fit(rows)


@pytest.mark.slow
def test_other_processes_make_the_same_features():
    fitted = encoder(skip=2, memory=20).fit(X)
    made = joblib.Parallel(n_jobs=2)(joblib.delayed(fitted.transform)(part) for part in (X[:20], X[20:]))
    np.testing.assert_allclose(np.concatenate(made), fitted.transform(X), rtol=1e-5, atol=1e-6)


def test_a_pickle_holds_examples_only_to_go_on_with_them():
    fitted, begun = encoder(skip=2).fit(X), encoder(skip=2).partial_fit(X)
    alone, more = (pickle.loads(pickle.dumps(each)) for each in (fitted, begun))
    np.testing.assert_array_equal(alone.transform(X), fitted.transform(X))
    assert alone._learner is None and len(more._learner.sample) == len(X)
    with pytest.raises(BadInput, match="pickled after fit"):
        alone.partial_fit(X)
    np.testing.assert_array_equal(more.partial_fit(X).transform(X), begun.partial_fit(X).transform(X))
    assert fitted.partial_fit(X).n_iter_ == pickle.loads(pickle.dumps(fitted)).partial_fit(X).n_iter_ - 8


def test_an_encoder_whose_fit_is_interrupted_is_not_fitted(monkeypatch):
    fitted = encoder().fit(X)
    monkeypatch.setattr(Learner, "learn", lambda *_, **__: pytest.fail("interrupted"))
    with pytest.raises(pytest.fail.Exception):
        fitted.fit(2 * X)
    with pytest.raises(NotFittedError):
        fitted.transform(X)


def test_double_precision_elsewhere_changes_nothing():
    plain = encoder(skip=2).fit(X).transform(X)
    with jax.enable_x64():
        np.testing.assert_array_equal(encoder(skip=2).fit(X).transform(X), plain)
        assert load_rule_like("rule", CHOICE.build(jr.key(0))).log_step_size.dtype == np.float64


def test_parts_of_a_table_of_categories_are_warned_of_too():
    kinds = np.random.default_rng(0).integers(0, 3, (200, 6)).astype(float)
    begun = encoder(skip=2).partial_fit(kinds)
    with pytest.warns(UserWarning, match="features are the columns themselves"):
        assert begun.transform(kinds).shape == (200, 6)
