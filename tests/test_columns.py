"""What a column of each kind becomes, against what is written here by hand."""

import datetime

import numpy as np
import pandas
import pytest
import scipy.sparse
from metarule.errors import BadInput
from metarule.sampling import spread_rows
from metarule.tasks import as_examples, Columns, Preparation
from metarule.tasks.data import _preparation


NUMBERS = np.arange(6.0)


def columns(**cells):
    return Columns(pandas.DataFrame(cells))


def made(**cells):
    frame = pandas.DataFrame(cells)
    fitted = Columns(frame)
    return dict(zip(fitted.names, fitted(frame).T))


def test_numbers_are_numbers_however_they_are_written():
    forms = {
        "float": NUMBERS,
        "nullable": pandas.array([0, 1, 2, 3, 4, 5], "Int64"),
        "text": ["0", "1.0", " 2 ", "3e0", "4", "5"],
        "lasting": pandas.to_timedelta(NUMBERS, unit="s"),
    }
    found = made(**forms)
    assert list(found) == list(forms)
    for name in forms:
        np.testing.assert_array_equal(found[name], NUMBERS)
    gaps = made(a=[1, 2, None], b=["1", "?", "2"], c=pandas.array([1, None, 2], "Int64"), d=["NA", "1", "2"])
    assert [np.isnan(values).tolist().index(True) for values in gaps.values()] == [2, 1, 1, 0]


def test_booleans_are_zero_and_one():
    found = made(a=[True, False, True], b=["true", "False", "true"], c=pandas.array([True, None, False], "boolean"))
    np.testing.assert_array_equal(found["a"], [1, 0, 1])
    np.testing.assert_array_equal(found["b"], [1, 0, 1])
    np.testing.assert_array_equal(found["c"], [1, np.nan, 0])


def test_a_category_has_a_column_and_a_missing_one_too_and_an_unseen_one_none():
    fitted = columns(colour=["red", "blue", None, "red"], code=pandas.Categorical([1, 2, 2, 1]))
    assert fitted.names == ("colour_", "colour_blue", "colour_red", "code_1", "code_2")
    new = fitted(pandas.DataFrame({"colour": ["blue", "green", None], "code": [2, 3, 1]}))
    np.testing.assert_array_equal(new, [[0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0]])


def test_of_many_categories_the_rarest_share_a_column():
    often = [f"c{i:03}" for i in range(99) for _ in range(3)]
    fitted = columns(code=often + [f"rare{i}" for i in range(50)])
    assert len(fitted.names) == 100 and fitted.names[-1] == "code_infrequent_sklearn"
    new = fitted(pandas.DataFrame({"code": ["rare7", "c005", "never"]}))
    np.testing.assert_array_equal(new.argmax(1), [99, 5, 99])
    assert (new.sum(1) == 1).all()


def test_an_identifier_is_left_out_with_a_notice():
    fitted = columns(name=[f"n{i}" for i in range(101)], size=range(101))
    assert fitted.names == ("size",)
    assert fitted.notices == ("column 'name' is left out as an identifier, because all its values differ",)
    kept = {rows: len(columns(name=[f"n{i}" for i in range(rows)], size=range(rows)).names) for rows in (19, 20)}
    assert kept == {19: 20, 20: 1}


def test_texts_become_the_presence_of_words():
    frame = pandas.DataFrame({"said": ["a good good day", "a bad day", "no day at all"], "size": [1.0, 2.0, 3.0]})
    fitted = Columns(frame)
    words = ("all", "at", "bad", "day", "good", "no")
    assert fitted.names == (*(f"said_{word}" for word in words), "size")
    expected = [[0, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 0], [1, 1, 0, 1, 0, 1]]
    np.testing.assert_array_equal(fitted(frame)[:, :6], expected)
    later = fitted(pandas.DataFrame({"said": [None, "good unknown"], "size": [0, 0]}))
    np.testing.assert_array_equal(later[:, :6].sum(1), [0, 1])


@pytest.mark.parametrize("written", ["stamp", "text", "date"])
def test_a_date_is_its_day_and_its_place_in_year_week_and_day(written):
    stamps = pandas.to_datetime(["1970-01-01 06:00", "1970-01-08 00:00", None, "2024-02-29 12:00"], format="ISO8601")
    dates = {
        "stamp": stamps,
        "text": [None if pandas.isna(stamp) else stamp.isoformat() for stamp in stamps],
        "date": [None if pandas.isna(stamp) else stamp.date() for stamp in stamps],
    }[written]
    found = made(when=dates)
    days = np.array([0.25, 7, np.nan, 19782.5])
    days = np.floor(days) if written == "date" else days
    np.testing.assert_allclose(found["when_days"], days)
    for name, period in (("year", 365.2425), ("week", 7), ("day", 1)):
        for wave, function in (("sin", np.sin), ("cos", np.cos)):
            if written != "date" or name != "day":
                np.testing.assert_allclose(found[f"when_{name}_{wave}"], function(2 * np.pi * days / period), atol=1e-9)


def test_days_have_no_time_of_the_day_not_even_a_rounding_error():
    assert not [name for name in columns(when=["2010-03-01", "2017-11-23", "2024-02-29"]).names if "_day_" in name]


def test_a_date_with_a_time_zone_is_in_universal_time():
    zone = datetime.timezone(datetime.timedelta(hours=6))
    dates = [datetime.datetime(1970, 1, day, 6, tzinfo=zone) for day in (1, 2, 4)]
    np.testing.assert_allclose(made(when=dates)["when_days"], [0, 1, 3])


def test_missing_numbers_get_the_median_and_a_flag_in_arrays_too():
    x = np.array([[1, 5], [2, np.nan], [4, 9], [100, 6]])
    fitted = Preparation.of(x, standardise=False)
    np.testing.assert_array_equal(fitted(x), [[1, 5, 0], [2, 6, 1], [4, 9, 0], [100, 6, 0]])
    np.testing.assert_array_equal(fitted(np.array([[np.nan, 1]])), [[3, 1, 0]])
    standardised = Preparation.of(x)(x)
    present = x[[0, 2, 3], 1]
    np.testing.assert_allclose(standardised[[0, 2, 3], 1], (present - present.mean()) / present.std(), rtol=1e-6)


def test_the_median_of_whole_numbers_fills_gaps_that_come_later():
    x = np.array([[50, 1], [52, 2], [51, 3]])
    np.testing.assert_array_equal(Preparation.of(x, standardise=False)(np.array([[np.nan, 7.0]])), [[51, 7]])


def test_gaps_in_a_periodic_order_are_seen():
    """A sample of every second row would show no gap, or nothing else."""
    x = np.random.default_rng(0).normal(50, 5, (20_000, 3))
    x[::2, 0] = x[1::2, 1] = x[7, 2] = np.nan
    fitted = Preparation.of(x)
    assert fitted.names == ("x0", "x1", "x2", "x0_missing", "x1_missing", "x2_missing")
    np.testing.assert_allclose(fitted.median, 50, atol=0.3)
    np.testing.assert_allclose(fitted(x).mean(0), 0, atol=0.02)
    np.testing.assert_allclose(fitted(x)[:, 3:].std(0), 1, atol=1e-4)


@pytest.mark.parametrize("scale, white", [(np.uint8(1), 255), (1 / 255, 1), (1.0, 255), (np.uint16(257), 65_535)])
def test_pixels_of_any_scale_are_the_same_inputs_and_each_image_by_itself(scale, white):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 12), dtype=np.uint8)
    pixels[0] = 0
    given = pixels * scale
    fitted = Preparation.of(given, image=(2, 2, 3))
    assert fitted.scaling.white == white
    np.testing.assert_allclose(fitted(given), pixels / 255, atol=1e-6)
    np.testing.assert_array_equal(fitted(given[:1]), fitted(given)[:1])
    with pytest.raises(BadInput, match=f"but the encoder was fitted to pixels from 0 to {white}: give them on"):
        fitted(given.astype(float) * 255)
    if white > 1:
        with pytest.warns(UserWarning, match=f"pixels from 0 to {white}: unless they are that dark"):
            assert fitted(pixels / 255).max() <= 1 / white


def test_other_numbers_are_standardised_colour_by_colour():
    pixels = np.random.default_rng(0).normal(-3, 2, (40, 12))
    made = Preparation.of(pixels, image=(2, 2, 3))(pixels).reshape(-1, 3)
    np.testing.assert_allclose([made.mean(0), made.std(0)], [[0] * 3, [1] * 3], atol=1e-5)


def test_what_is_far_away_is_cut_off():
    x = np.array([[0.0, 1.0], [2.0, 3.0]])
    np.testing.assert_array_equal(Preparation.of(x)(np.array([[1e30, -1e300]])), [[1e4, -1e4]])


def test_sparse_rows_are_scaled_as_dense_ones():
    dense = np.random.default_rng(0).poisson(0.5, (30, 5)) * [1.0, 2.0, 0.5, 1.0, 0.0]
    dense[:, 3] = 7
    sparse = scipy.sparse.csr_array(dense)
    np.testing.assert_allclose(Preparation.of(sparse)(sparse), Preparation.of(dense)(dense), atol=1e-6)
    assert (Preparation.of(sparse)(sparse)[:, 3:] == 0).all()


def test_moments_in_parts_are_those_of_all(monkeypatch):
    x = np.random.default_rng(0).normal(5, 3, (37, 4))
    whole = Preparation.of(x).scaling
    monkeypatch.setattr("metarule.tasks.data._scaling._NUMBERS", 20)
    parts = Preparation.of(x).scaling
    np.testing.assert_allclose(parts.offset, whole.offset, rtol=1e-12)
    np.testing.assert_allclose(parts.unit, whole.unit, rtol=1e-12)


@pytest.mark.parametrize(
    "cells, sentence",
    [
        ({"a": [1.0, np.inf]}, "Column 'a' holds infinity"),
        ({"a": [[1], [2]]}, "holds lists"),
        ({"a": [b"x", b"y"]}, "holds bytes"),
        ({"a": [1j, 2j]}, "holds complex numbers"),
        ({"a": [1, 1]}, "No column varies"),
        ({"a": [1]}, "There is one row: give more"),
        ({"a": [None, None]}, "No column varies"),
    ],
)
def test_what_cant_be_is_refused(cells, sentence):
    with pytest.raises(BadInput, match=sentence):
        columns(**cells)


def test_later_frames_must_be_alike():
    fitted = columns(a=[1, 2], b=["x", "y"])
    with pytest.raises(BadInput, match="Column 'a' holds 'many' where numbers are expected"):
        fitted(pandas.DataFrame({"a": ["3", "many"], "b": ["x", "x"]}))
    dated = columns(a=["2020-01-01", "2021-02-03", None])
    assert np.isnan(dated(pandas.DataFrame({"a": ["2020-01-01", None, "n/a"]}))).any(1).tolist() == [False, True, True]
    with pytest.raises(BadInput, match="Column 'a' holds 'soon' where dates are expected"):
        dated(pandas.DataFrame({"a": ["2020-01-01", "soon"]}))
    with pytest.raises(BadInput, match="The column 'b' is missing; its columns are a"):
        fitted(pandas.DataFrame({"a": [3]}))


def test_names_of_columns_may_be_anything_but_twice_the_same():
    names = ["num__age", "remainder", "verbose", "a b", 3]
    frame = pandas.DataFrame([[1.0, "x", "one good day", 2, 5], [2.0, "y", "no bad day", 3, 4]], columns=names)
    fitted = Columns(frame)
    words = [f"verbose_{word}" for word in ("bad", "day", "good", "no", "one")]
    assert fitted.names == ("num__age", "remainder_x", "remainder_y", *words, "a b", "3")
    assert fitted(frame).shape == (2, 10)
    with pytest.raises(BadInput, match="Two columns have the name 'a'"):
        as_examples(pandas.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))


def test_a_table_of_identifiers_alone_is_refused():
    with pytest.raises(BadInput, match="No column varies but identifiers"):
        columns(name=[f"n{i}" for i in range(30)])


@pytest.mark.parametrize("resolution", ["text", "us"])
def test_dates_may_be_far_away(resolution):
    dates = ["9999-12-31", "1970-01-02", "0999-01-01"]
    when = dates if resolution == "text" else np.array(dates, f"datetime64[{resolution}]")
    np.testing.assert_array_equal(made(when=when)["when_days"], [2932896, 1, -354650])


def test_single_letters_are_a_category_and_not_texts_without_words():
    assert columns(moves=["x o x", "o o x", "x x x"], size=[1, 2, 3]).names[:3] == tuple(
        f"moves_{moves}" for moves in ("o o x", "x o x", "x x x")
    )


def test_texts_without_spaces_are_warned_of():
    fitted = Preparation.of([f"{chr(0x4E00 + place)}没有空格的一句话" for place in range(30)])
    assert fitted.notices == ("most texts of column 'text' share no word with another: put spaces between words",)
    assert not Preparation.of([f"day number {place}" for place in range(30)]).notices


def test_small_units_are_no_constants():
    x = np.random.default_rng(0).normal(size=(40, 2)) * (1e-13, 1)
    np.testing.assert_allclose(Preparation.of(x)(x).std(0), 1, rtol=1e-5)
    assert not Preparation.of(np.full((9, 1), 0.1))(np.full((9, 1), 0.1)).any()


def test_where_the_sample_has_no_number_the_mean_fills_a_gap(monkeypatch):
    monkeypatch.setattr(_preparation, "_SAMPLE", 10)
    x = np.full((1000, 1), np.nan)
    x[np.setdiff1d(np.arange(1000), spread_rows(1000, 10))[:2]] = [[900], [1100]]
    assert Preparation.of(x).median[0] == 1000
