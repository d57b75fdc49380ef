"""How encoders stand on a suite: every number against hand-computed ones or scipy's."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from metarule import standings
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.evaluation._standings import below, bootstrapped, ranks, Scores, standard_error


def row(task, encoder, accuracies, readout="ridge", steps=0):
    found = np.asarray(accuracies, float)
    return {
        "encoder": encoder, "task": task, "readout": readout, "steps": steps, "seeds": len(found),
        "accuracy": found.mean(), "accuracies": found.tolist(), "stderr": 0.0,
        "labelled": 4, "unlabelled": 8, "seconds": 0.0, "statistics": "none",
    }  # fmt: skip


def table(accuracies, encoders):
    return [row(f"t{place}", name, own) for place, task in enumerate(accuracies) for name, own in zip(encoders, task)]


def test_standings_by_hand():
    # Two seeds. Differences of rule from raw: +2 and +2 points on t0; -1 and -3 on t1, which is -2 with a standard
    # error of 1; +0.5 and -2 on t2, which is -0.75 with a standard error of 1.25.
    rows = table(
        [
            [[0.50, 0.60], [0.52, 0.62], [0.10, 0.10]],
            [[0.50, 0.60], [0.49, 0.57], [0.60, 0.62]],
            [[0.50, 0.60], [0.505, 0.58], [0.20, 0.20]],
        ],
        ("raw", "rule", "third"),
    )
    raw, rule, third = standings(rows)
    assert (raw.encoder, rule.encoder, third.encoder, rule.tasks) == ("raw", "rule", "third", 3)
    # third is below raw by 45, -6 and 35 points.
    assert (raw.below_raw, rule.below_raw, third.below_raw) == (0, 1, 2)
    np.testing.assert_allclose([raw.rank.mean, rule.rank.mean, third.rank.mean], [5 / 3, 2, 7 / 3])
    np.testing.assert_allclose([raw.distance.mean, rule.distance.mean], [0.08 / 3, 0.0875 / 3])
    # On t0 raw is 2 points below rule without any error, on t1 6 points below third with a standard error of 4.
    assert (raw.near_best, rule.near_best, third.near_best) == (1, 2, 1)


def test_readouts_are_averaged_seed_by_seed_and_raw_may_be_absent():
    rows = [row("t", "a", [0.2, 0.6]), row("t", "a", [0.4, 0.2], "logistic")]
    scores = Scores.of(rows)
    np.testing.assert_allclose(scores.accuracies, [[[0.3, 0.4]]])
    np.testing.assert_allclose(scores.standard_error, [[0.05]])
    assert standings(rows)[0].below_raw is None


def test_ranks_and_standard_errors_are_scipys():
    accuracy = np.random.default_rng(0).integers(0, 4, (20, 5)) / 4  # With many ties.
    np.testing.assert_array_equal(ranks(accuracy), scipy.stats.rankdata(-accuracy, axis=1))
    seeds = np.random.default_rng(1).random((3, 2, 7))
    np.testing.assert_allclose(standard_error(seeds), scipy.stats.sem(seeds, axis=2))
    assert (standard_error(seeds[..., :1]) == 0).all()


def test_differences_are_paired_by_seed():
    luck = np.random.default_rng(0).normal(size=8)
    accuracies = np.stack([luck, luck - 0.01])[None]
    assert below(accuracies, np.array([0])).tolist() == [[False, True]]
    assert below(accuracies, np.array([1])).tolist() == [[False, False]]
    np.testing.assert_array_less(0.1, standard_error(accuracies))


def test_bootstrap_intervals_are_scipys():
    values = np.random.default_rng(0).exponential(size=(13, 3))
    for place, found in enumerate(bootstrapped(values)):
        oracle = scipy.stats.bootstrap((values[:, place],), np.mean, method="percentile", n_resamples=50_000, rng=1)
        low, high = oracle.confidence_interval
        np.testing.assert_allclose(found, (values[:, place].mean(), low, high), atol=0.03 * (high - low))
    assert bootstrapped(values) == bootstrapped(values)
    # Of two data sets the mean of the draws is 0, 1/2 or 1, with probability 1/4, 1/2 and 1/4.
    assert bootstrapped(np.array([[0.0], [1.0]])) == [(0.5, 0.0, 1.0)]


def test_steps_of_a_curve_are_encoders_of_their_own():
    rows = [row(task, "rule", [0.5], steps=steps) for task in ("t", "u") for steps in (10, 2000)]
    assert [each.encoder for each in standings(rows)] == ["rule, 10 steps", "rule, 2,000 steps"]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("t", "a", [0.5]), row("t", "b", [0.5, 0.6])],
        [row("t", "a", [0.5]), row("t", "b", [0.5]), row("u", "a", [0.5])],
        [row("t", "a", [0.5]), row("t", "b", [0.5]), row("t", "b", [0.5], "logistic")],
    ],
)
def test_what_can_not_be_compared_is_refused(rows):
    with pytest.raises(BadInput, match="same seeds and readouts on every data set"):
        standings(rows)


SUITE = ["evaluate", "--suite", "development", "--encoders", "raw", "--readouts", "ridge", "--seeds", "2"]


@pytest.fixture
def small(monkeypatch):
    """A suite of two small made-up data sets and a missing one."""
    from metarule.tasks import SUITES

    monkeypatch.setitem(SUITES, "development", ("mixtures", "manifolds", "sonar"))
    monkeypatch.delenv("METARULE_DATA", raising=False)


def test_a_suite_is_scored_and_goes_on_where_it_stopped(small, tmp_path, capsys, monkeypatch):
    from metarule.launch.evaluation import _evaluate

    out, run = tmp_path / "rows.json", tmp_path / "run"
    loaded, load_each = [], _evaluate.load_each
    monkeypatch.setattr(_evaluate, "load_each", lambda names, *rest: loaded.extend(names) or load_each(names, *rest))
    assert main([*SUITE, "--run", str(run), "--json", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "sonar is missing and left out: put DATA_DIR/tables/sonar.csv.gz there" in shown
    assert "mixtures" in shown and "mean rank" in shown and "2 of 2" in shown
    rows = json.loads(out.read_text())
    assert [(each["task"], each["seeds"], len(each["accuracies"])) for each in rows] == [
        ("mixtures", 2, 2),
        ("manifolds", 2, 2),
    ]
    assert all(each["accuracy"] == pytest.approx(np.mean(each["accuracies"])) for each in rows)
    assert loaded == ["mixtures", "manifolds"]
    # As if the run had been stopped after the first data set.
    (run / "results.json").write_text(json.dumps(rows[:1]))
    out.unlink()
    assert main([*SUITE, "--run", str(run), "--json", str(out)]) == 0
    assert loaded == ["mixtures", "manifolds", "manifolds"]
    again = json.loads(out.read_text())
    assert [each["accuracies"] for each in again] == [each["accuracies"] for each in rows]


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--suite", "development", "--tasks", "mixtures"], "leave --tasks out"),
        (["--run", "RUN"], "name one by --suite"),
        ([*SUITE[1:], "--json", "RUN/configuration.json/x"], "Can't write"),
    ],
)
def test_a_suite_refuses(options, sentence, small, tmp_path, capsys):
    (tmp_path / "configuration.json").write_text("{}")
    assert main(["evaluate", *[each.replace("RUN", str(tmp_path)) for each in options]]) == 2
    assert sentence in capsys.readouterr().err


def test_another_configuration_is_refused(small, tmp_path, capsys):
    assert main([*SUITE, "--run", str(tmp_path)]) == 0
    assert main([*SUITE, "--labels", "5", "--run", str(tmp_path)]) == 2
    assert "its evaluation.labels is 10, not 5" in capsys.readouterr().err


def test_a_suite_from_python(small):
    import metarule

    rows = metarule.evaluate(lambda x: x[:, :24], suite="development", encoders=("raw",), seeds=2, readouts=("ridge",))
    assert [(each["task"], each["encoder"]) for each in rows] == [
        ("mixtures", "raw"),
        ("manifolds", "raw"),
        ("mixtures", "own"),
        ("manifolds", "own"),
    ]
    raw, own = metarule.standings(rows)
    assert own.distance.mean < raw.distance.mean  # On mixtures the other columns are noise.


def test_the_tables_of_the_documents_are_those_of_the_results():
    checkout = Path(__file__).parents[1]
    made = subprocess.run([sys.executable, checkout / "docs" / "tables.py", "--check"], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
