"""Classes of a user's own, by MODULE:CLASS on the command line and as objects in Python: a whole run, and refusals."""

import json
import os
import sys
import textwrap
from pathlib import Path

import jax.numpy as jnp
import metarule
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.encoders._raw import Raw
from metarule.launch.records._metrics import read_metrics
from metarule.launch.records._rule_file import load_rule_like, read_header
from metarule.tasks import load


MODULE = """
    from typing import final

    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import jax.random as jr
    from jaxtyping import Array, Float
    from metarule.meta import AbstractObjective
    from metarule.rules import AbstractRecipe, AbstractRule, lean, without_terms, Hebbian
    import dataclasses

    @final
    class Leak(AbstractRule):
        '''Every parameter shrinks or grows by a learned share.'''

        share: Float[Array, ""] = eqx.field(default_factory=lambda: jnp.zeros(()))
        unit: float = eqx.field(static=True, default=0.1)
        '''Of the share.'''

        def init(self, model):
            return None

        def update(self, model, x, state):
            return jax.tree.map(lambda leaf: self.unit * self.share * leaf, model), state

    @dataclasses.dataclass(frozen=True)
    class Shallow(AbstractRecipe):
        '''A lean rule without Hebb's term.'''

        hidden: int = 4
        '''Channels of a hidden state.'''

        def build(self, key):
            return without_terms(lean(key, hidden=self.hidden, signal=2, readout=1), Hebbian)

    @final
    class Spread(AbstractObjective):
        '''Features of the query set are to vary.'''

        weight: float = 1.0

        def __call__(self, model, episode):
            features, _ = model(episode.query_x)
            return -self.weight * jnp.log(features.var() + 1e-3)

    class Half(AbstractRule):
        def init(self, model):
            return None

    class Needy(AbstractRule):
        size: int

        def init(self, model):
            return None

        def update(self, model, x, state):
            return model, state

    NUMBER = 3
"""

TINY = (
    "--networks 6-4 --ways 3 --shots 2 --batch-sizes 6 --sources glyphs --augmentation none --horizon.low 4 --steps 3 "
    "--evaluation-steps 3 --labels 2 --seeds 2 --devices 1 --estimator.population.tasks 2 --estimator.window.low 2"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder, with a module of their own in it."""
    (tmp_path / "mine_for_tests.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("mine_for_tests", None)


def train(*options):
    return main(["train", *TINY.split(), *options])


def test_a_rule_of_ones_own_is_trained_saved_scored_and_resumed(folder, capsys):
    assert train("--rule", "mine_for_tests:Leak", "--rule.unit", "0.5", "--run", "run") == 0
    configuration = json.loads((folder / "run" / "configuration.json").read_text())
    assert configuration["rule"]["rule"]["class"] == "mine_for_tests:Leak"
    assert configuration["rule"]["rule"]["unit"] == 0.5
    saved, _ = read_header("run/rule.safetensors")
    assert saved == {"architecture": "mine_for_tests:Leak", "unit": 0.5}
    capsys.readouterr()

    # The file alone does not bring its code along; with the class named, all commands take it.
    sys.modules.pop("mine_for_tests")
    assert main(["evaluate", "run", "--encoders", "meta-trained", "--quick"]) == 2
    assert "mine_for_tests" not in sys.modules
    assert "--rule-class mine_for_tests:Leak" in capsys.readouterr().err
    own = ["--rule-class", "mine_for_tests:Leak"]
    assert main(["evaluate", "run", "--encoders", "meta-trained", "untrained", "--quick", *own]) == 0
    np.savez("data.npz", x=np.random.default_rng(0).normal(size=(30, 5)))
    assert main(["encode", "run", "data.npz", "--out", "features.npz", *own]) == 0
    assert np.load("features.npz")["features"].shape == (30, 4)

    # A resume takes the same class, and refuses another.
    resumed = ["--run", "run", "--resume", "--steps", "4"]
    assert train("--rule", "mine_for_tests:Leak", *resumed) == 2
    assert "its rule.rule.unit is 0.5, not 0.1" in capsys.readouterr().err
    assert train("--rule", "mine_for_tests:Leak", "--rule.unit", "0.5", *resumed) == 0
    assert [line["step"] for line in read_metrics("run/metrics.jsonl")] == [1, 2, 3, 4]


def test_a_recipe_and_an_objective_of_ones_own(folder):
    options = ["--rule", "mine_for_tests.py:Shallow", "--rule.hidden", "5", "--run", "run"]
    assert train(*options, "--objective", "mine_for_tests:Spread", "--objective.weight", "2") == 0
    saved, _ = read_header("run/rule.safetensors")
    assert saved == {"architecture": "mine_for_tests:Shallow", "hidden": 5}
    configuration = json.loads((folder / "run" / "configuration.json").read_text())
    assert configuration["objective"] == {"class": "mine_for_tests:Spread", "weight": 2.0}
    import mine_for_tests

    rule = metarule.load_rule("run", like=mine_for_tests.Shallow())
    assert len(rule.weight_change.terms) == 11 and rule.outgoing.weight.shape == (5, 2)
    with pytest.raises(BadInput, match="another class|holds a rule"):
        metarule.load_rule("run", like=mine_for_tests.Leak())


def test_the_help_shows_the_fields_of_ones_own_class(folder, capsys):
    assert main(["train", "--rule", "mine_for_tests:Leak", "--objective", "mine_for_tests:Spread", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--rule.unit FLOAT" in shown and "Of the share." in shown and "--rule.share" not in shown
    assert "--objective.weight FLOAT" in shown and "Every parameter shrinks" in shown


@pytest.mark.parametrize(
    "options, said",
    [
        ("--rule nowhere:Rule", "There is no module 'nowhere' for the rule"),
        ("--rule mine_for_tests:Absent", "it has Leak, Shallow, Needy"),
        ("--rule mine_for_tests:NUMBER", "NUMBER in mine_for_tests is no class"),
        ("--rule mine_for_tests:Spread", "let the class inherit from AbstractRule or AbstractRecipe"),
        ("--rule mine_for_tests:Half", "still has to define update"),
        ("--rule mine_for_tests:Needy", "give every field a default"),
        ("--rule mine_for_tests:", "MODULE:NAME"),
        ("--rule absent.py:Rule", "There is no file absent.py"),
        ("--rule broken_for_tests:Rule", "can't be imported (ZeroDivisionError: division by zero)"),
        ("--rule lacking_for_tests:Rule", "needs no_such_package, which is not installed"),
        ("--estimator mine_for_tests:Leak", "let the class inherit from AbstractEstimator"),
        ("--objective mine_for_tests:Leak", "let the class inherit from AbstractObjective"),
        ("--tasks mine_for_tests:Leak", "let the class inherit from AbstractTasks"),
        ("--tasks glyphs", "MODULE:NAME"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(options, said, folder, capsys):
    (folder / "broken_for_tests.py").write_text("1 / 0\n")
    (folder / "lacking_for_tests.py").write_text("import no_such_package\n")
    before = sorted(os.listdir(folder))
    assert main(["train", *options.split()]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("metarule: ") and err.count("\n") == 1 and said in err, err
    assert sorted(set(os.listdir(folder)) - {"__pycache__"}) == before


@pytest.mark.parametrize("idle", ["--ways 4", "--sources nosuch", "--side 99", "--shots 2", "--augmentation none"])
def test_settings_of_sources_are_refused_beside_own_tasks(idle, folder, capsys):
    tasks = Path(__file__).parents[1] / "docs" / "own_tasks.py"
    assert main(["train", "--tasks", f"{tasks}:Mixtures", *idle.split()]) == 2
    assert f"{idle.split()[0]} is of tasks that are made from sources: leave it out" in capsys.readouterr().err


def test_a_whole_run_from_python_with_objects(folder):
    sys.path.insert(0, str(folder))
    import mine_for_tests

    settings = {
        "networks": ("6-4",), "ways": 3, "shots": 2, "batch_sizes": (6,), "sources": ("glyphs",), "steps": 3,
        "augmentation": "none", "evaluation_steps": 3, "labels": 2, "seeds": 2,
    }  # fmt: skip
    rule = mine_for_tests.Leak(jnp.asarray(0.2))
    run = metarule.meta_train(rule, estimator="pes", objective="squared", run="run", checkpoint_every=1, **settings)
    assert {row["encoder"] for row in run.rows} == {"meta-trained", "untrained", "random-init", "raw", "kmeans"}
    again = metarule.load_rule("run", like=mine_for_tests.Leak())
    np.testing.assert_array_equal(load_rule_like(run.folder.rule, rule).share, again.share)
    with pytest.raises(BadInput, match="no setting 'step'"):
        metarule.meta_train(rule, step=3)

    metarule.save_rule("mine.safetensors", rule, network="5-3", evaluation_steps=2, batch_size=4)
    assert metarule.load_rule("mine.safetensors", like=mine_for_tests.Leak()).share == rule.share
    x = np.random.default_rng(0).normal(size=(40, 3))
    features = metarule.UnsupervisedEncoder(rule, steps=2, network="5-3", random_state=0).fit_transform(x)
    assert features.shape == (40, 3) and np.isfinite(features).all()


def test_features_are_scored_from_python_as_by_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {"tasks": "digits", "seeds": 2, "queries": 100, "labels": 5}
    options = "--tasks digits --seeds 2 --queries 100 --labels 5 --json rows.json --encoders raw".split()
    assert main(["evaluate", *options]) == 0
    without = lambda rows: [{key: row[key] for key in row if key != "seconds"} for row in rows]
    by_command = without(json.loads((tmp_path / "rows.json").read_text()))
    found = metarule.evaluate(lambda x: x, name="mine", encoders=("raw",), **settings)
    raw, mine = without(found)[:2], without(found)[2:]
    assert raw == by_command
    assert mine == [{**row, "encoder": "mine"} for row in by_command]

    from sklearn.decomposition import PCA

    data_set = load("digits")
    fitted = PCA(8, random_state=0).fit(data_set.train_inputs())
    pair = fitted.transform(data_set.train_inputs()), fitted.transform(data_set.test_inputs())
    scores = [metarule.evaluate(subject, encoders=(), **settings) for subject in (PCA(8, random_state=0), pair)]
    np.testing.assert_allclose(*([row["accuracy"] for row in rows] for rows in scores))
    assert scores[0][0]["unlabelled"] == len(data_set.train_y) and scores[1][0]["unlabelled"] == 0
    for wrong, said in ((3, "can't be scored"), ((pair[0], pair[0]), "features of shape")):
        with pytest.raises(BadInput, match=said):
            metarule.evaluate(wrong, encoders=(), **settings)
    encoder = Raw()
    assert without(metarule.evaluate(encoder, name="raw", encoders=(), **settings)) == by_command
    rule = metarule.pretrained()
    rows = metarule.evaluate(rule, encoders=("raw",), steps=(2,), **settings)
    assert [row["encoder"] for row in rows] == ["meta-trained"] * 2 + ["raw"] * 2
