"""`metarule figure` and `metarule report`: what they draw is what was measured, and a page needs nothing but itself."""

import csv
import json
import re
from pathlib import Path

import jax
import jax.random as jr
import numpy as np
import pytest
from metarule.launch.__main__ import main
from metarule.launch.commands.look import _figure
from metarule.launch.figures._plots import panels, PHONE, Picture, save
from metarule.launch.figures._request import FigureRequest
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._rule_file import save_rule
from metarule.launch.records._run_folder import RunFolder
from metarule.launch.training import _clock


RECORD = {"network": "3", "weight_scale": 0.5, "batch_size": 5, "evaluation_steps": 2, "seed": 0}
TERMS = ("0_order", "1_order", "decorr_x", "large_decay", "lin_lower_symm", "lin_upper_psd", "lin_upper_symm", "rbf")
CHOICE = Lean(hidden=2, signal=1, readout=1, without=(*TERMS, "sqr_lower_symm", "sqr_upper_symm", "w_base"))
FEW = ["--labels", "2", "--seeds", "2", "--queries", "20", "--tasks", "own.npz"]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A place with data and the folder of a run `run`, where the tests of this file run."""
    folder = tmp_path_factory.mktemp("figures")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        rule, run = CHOICE.build(jr.key(1)), folder / "run"
        save_rule(run / "rule.safetensors", rule, configuration_of(CHOICE), RECORD)
        lines = [
            {"step": step, "meta_loss": 2 / step, "gradient_norm": 1.0, "seconds": 3.0 * step} for step in range(1, 41)
        ]
        lines[4]["meta_loss"] = "NaN"
        lines[-1]["best_validation_loss"] = 0.1
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        row = {"encoder": "meta-<trained>", "task": "digits", "readout": "ridge", "accuracy": 0.8125, "stderr": 0.01}
        row |= {"seeds": 2, "labelled": 20, "unlabelled": 1078, "steps": 2, "accuracies": [0.8, 0.825], "seconds": 0.1}
        row |= {"statistics": "none", "features": 3, "other_rows": False}
        own = [row, {**row, "encoder": "meta-trained"}, {**row, "encoder": "raw", "accuracy": 0.9}]
        (run / "results.json").write_text(json.dumps(own))
        (run / "configuration.json").write_text(
            json.dumps({"preset": "own", "wandb": None, "horizon": {"class": "Length", "low": 3}})
        )
        for step in (0, 3, 7):
            later = jax.tree.map(lambda leaf: leaf + step / 100, rule)
            save_rule(RunFolder(run).snapshot(step), later, configuration_of(CHOICE), {**RECORD, "seconds": 2.5 * step})
        generator = np.random.default_rng(0)
        labels = np.repeat(np.arange(2), 20)
        pixels = generator.integers(0, 100, (40, 3, 3)) + 99 * labels[:, None, None]
        np.savez("own.npz", x=pixels.astype(np.uint8), y=labels)
        colours = np.stack([pixels, pixels, 255 - pixels], -1)
        np.savez("colours.npz", x=colours.astype(np.uint8), y=labels)
        np.savez("vectors.npz", x=generator.normal(size=(40, 3)), y=labels)
        yield folder


def draw(name, *options):
    assert main(["figure", name, "run", *FEW, *options]) == 0
    with open(f"run/figures/{name}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert Path(f"run/figures/{name}.png").read_bytes()[:4] == b"\x89PNG"
    return rows


def test_training_shows_the_metrics():
    rows = draw("training")
    assert len(rows) == 40 and float(rows[1]["meta_loss"]) == 1 and rows[-1]["best_validation_loss"] == "0.1"
    np.testing.assert_allclose(float(rows[9]["smoothed"]), (2 / 9 + 2 / 10) / 2)
    np.testing.assert_allclose(float(rows[4]["smoothed"]), 0.5)  # The mean of two, of which one is not a number.


def test_depth_shows_what_evaluate_measures():
    rows = draw("depth", "--values", "2", "1")
    own = [row for row in rows if row["layers"] == "1" and row["encoder"] == "meta-trained"]
    assert {row["layers"] for row in rows} == {"1", "2", ""} and len(rows) == 16
    assert {row["encoder"] for row in rows if row["layers"] == ""} == {
        "raw",
        "kmeans",
    }  # One level, whatever the depth.
    options = ["--encoders", "meta-trained", *FEW, "--json", "table.json"]
    assert main(["evaluate", "run", *options]) == 0
    table = json.loads(Path("table.json").read_text())
    assert [float(row["accuracy"]) for row in own] == [row["accuracy"] for row in table]
    for count in ("seeds", "labelled", "unlabelled", "steps"):
        assert [int(row[count]) for row in own] == [row[count] for row in table]


def test_transfer_takes_every_rule_that_the_run_kept(monkeypatch):
    seen = []

    def score(self, names, architecture, rule=None):
        seen.append(rule)
        row = {"task": "own.npz", "readout": "ridge", "accuracy": 0.5, "stderr": 0.1}
        return [{**row, "encoder": name, "seeds": 2, "steps": 2} for name in names]

    monkeypatch.setattr(FigureRequest, "score", score)
    rows = draw("transfer")
    places = [(row["meta_step"], row["meta_seconds"]) for row in rows if row["encoder"] == "meta-trained"]
    assert places == [("0", "0.0"), ("3", "7.5"), ("7", "17.5")]
    rule = CHOICE.build(jr.key(1))
    assert seen[0] is None  # The random start has no rule.
    assert seen.pop() is None  # Nor have raw inputs and k-means.
    for step, found in zip((0, 3, 7), seen[1:], strict=True):
        np.testing.assert_allclose(found.log_step_size, rule.log_step_size + step / 100, rtol=1e-6)


def test_generalisation_and_filters_and_moons():
    rows = draw("generalisation", "--values", "raw", "pca", "--quick")
    assert [row["encoder"] for row in rows] == ["raw", "raw", "pca", "pca"]
    rows = draw("filters", "--values", "0", "7")
    rules = ("start", "meta-step 0", "meta-step 7")
    assert [(row["rule"], row["unit"]) for row in rows] == [(rule, unit) for rule in rules for unit in "012"]
    weights = np.array([[float(row[f"weight_{place}"]) for place in range(9)] for row in rows])
    np.testing.assert_allclose(np.abs(weights).max(1), 1)
    assert np.abs(np.diff(weights.reshape(3, 3, 9), axis=0)).max((1, 2)).min() > 1e-4
    assert "weight_26" in draw("filters", "--tasks", "colours.npz")[0]
    assert len(draw("moons", "--values", "1")) == 1000


def test_a_report_is_one_page_that_needs_nothing_else(monkeypatch, tmp_path):
    draw("training")
    page = tmp_path / "page.html"
    assert main(["report", "run", "--out", str(page)]) == 0
    text = page.read_text()
    assert "81.2 ± 1.0" in text and "meta-&lt;trained&gt;" in text and "<h2>Meta-training</h2>" in text
    assert "Mean of ridge: 81.2 %, 8.8 points below raw inputs" in text  # Before the first picture.
    assert text.index("8.8 points below") < text.index("<img") and "<h2>What the rule weighs</h2>" in text
    sources = re.findall(r'(?:src|srcset)="([^"]*)"', text)
    assert len(sources) >= 6 and all(source.startswith("data:image/png;base64,") for source in sources)
    (settings,) = re.findall("<h2>Settings</h2>(.*?)</table>", text, re.S)
    assert "Length: low 3" in settings and not re.search(r"null|[{}\[\]]|wandb", settings)
    assert "prefers-color-scheme: dark" in text and "@media print" in text and "max-width: 600px" in text
    assert not re.search(r"<script|<link|https?://|url\(", text)
    assert not re.search("Left|Right", text)  # Panels stand above one another on a phone.


def test_coefficients_move_along_the_snapshots():
    rows = draw("coefficients")
    (term,) = {row["term"] for row in rows}
    found = {row["meta_step"]: float(row["coefficient"]) for row in rows}
    assert term == "hebb" and found == pytest.approx({"": 0.1, "0": 0.1, "3": 0.13, "7": 0.17})


def test_coefficients_of_a_shipped_rule_are_drawn_without_how_they_moved(tmp_path):
    assert main(["figure", "coefficients", "default", "--out", str(tmp_path)]) == 0
    assert "comes without snapshots" in json.loads((tmp_path / "coefficients.json").read_text())["caption"]


def test_shares_of_terms_sum_to_one():
    rows = draw("terms")
    places = [(layer, step) for layer in "1" for step in "12"]
    assert list(dict.fromkeys((row["layer"], row["step"]) for row in rows)) == places
    for place in places:
        own = [float(row["share"]) for row in rows if (row["layer"], row["step"]) == place]
        assert len(own) == 5 and sum(own) == pytest.approx(1, rel=1e-3)


def test_architectures_are_scored_with_every_rule_and_one_start(monkeypatch):
    seen = []

    def score(self, names, architecture, rule=None):
        kind = type(architecture).__name__
        seen.append((self.trained.name, kind, names))
        row = {"task": "own.npz", "readout": "ridge", "accuracy": 0.5, "stderr": 0.1}
        return [{**row, "encoder": name, "seeds": 2, "steps": 2} for name in names]

    monkeypatch.setattr(FigureRequest, "score", score)
    values = ["4-3", "conv2x2x4-mean", "attention2x2x4h1-mean"]
    rules = ["run", "metarule.rules:Oja", "--out", "run/figures"]
    assert main(["figure", "architecture", *rules, "--values", *values, "--tasks", "own.npz"]) == 0
    kinds = ("MultiLayerPerceptron", "Convolutional", "Transformer")
    first, second = ("meta-trained", "random-init"), ("meta-trained",)
    wanted = [pair for kind in kinds for pair in (("run", kind, first), ("Oja", kind, second))]
    assert seen == [*wanted, ("run", kinds[0], ("raw",))]
    with open("run/figures/architecture.csv", newline="") as file:
        rows = [(row["network"], row["encoder"]) for row in csv.DictReader(file)]
    assert rows == [*((text, name) for text in values for name in ("run", "random-init", "Oja")), ("", "raw")]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["figure", "depth", "run", "run"], "Name one rule for the figure depth"),
        (["figure", "depth"], "Name one rule for the figure depth"),
        (["figure", "architecture", "run", "run"], "Two of these rules are called run"),
        (["figure", "architecture", "run", "--values", "convolution"], "The convolutions of a network are written as"),
        (["figure", "response", "run", "--values", "strong"], "are weights, such as -1 0 1; got strong"),
        (["figure", "response", "run", "--values", "5"], "between -3 and 3"),
        (["figure", "terms", "metarule.rules:Oja"], "adds up no terms"),
        (["figure", "coefficients", "metarule.rules:Oja"], "has no coefficients"),
        (["figure", "coefficients", "default", "--values", "3"], "comes without the files of its run"),
        (["figure", "depth", "run", "--values", "deep"], "whole numbers of 1 or more"),
        (["figure", "activation", "run", "--values", "sine"], "Unknown activation 'sine'"),
        (["figure", "generalisation", "run", "--values", "isomap"], "Unknown encoder 'isomap'"),
        (["figure", "transfer", "run", "--values", "4"], "has no rule of meta-step 4; --values can be 0, 3, 7"),
        (["figure", "filters", "run", "--tasks", "vectors.npz"], "holds no images"),
        (["figure", "transfer", "run/snapshots/0000003.safetensors"], "holds no rules: give the folder of a run"),
        (["figure", "moons", "absent"], "There is no rule at absent"),
        (["figure", "moons", "run", "--steps", "-1"], "--steps 0 or more"),
        (["report", "absent"], "There is no rule at absent"),
        (["report", "run", "--out", "own.npz/page.html"], "Can't write own.npz/page.html"),
    ],
)
def test_what_cant_be_is_refused_in_one_sentence(arguments, sentence, capsys):
    assert main(arguments) == 2
    _, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1


def test_runs_are_linked_and_a_shipped_rule_says_what_it_lacks(tmp_path, monkeypatch, capsys):
    for name in ("one", "two"):
        choice = {**RECORD, "start": "one"} if name == "two" else RECORD
        save_rule(tmp_path / name / "rule.safetensors", CHOICE.build(jr.key(1)), configuration_of(CHOICE), choice)
    monkeypatch.chdir(tmp_path)
    assert main(["report", "one"]) == 0 and main(["report", "two"]) == 0
    text = (tmp_path / "two" / "report.html").read_text()
    assert text.count('<a href="../one/report.html">one</a>') == 2 and "Begins with the rule of" in text
    for name in ("training", "transfer"):
        capsys.readouterr()
        assert main(["figure", name, "default"]) == 2
        assert "The rule 'universal' comes without the files of its run: meta-train one" in capsys.readouterr().err


@pytest.mark.parametrize("kind, start", [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_pictures_for_papers(kind, start, tmp_path):
    options = ["--format", kind, "--dpi", "100", "--width", "3.3", "--out", str(tmp_path)]
    assert main(["figure", "training", "run", *options]) == 0
    content = (tmp_path / f"training.{kind}").read_bytes()
    assert content.startswith(start)
    if kind == "png":
        width, height = (int.from_bytes(content[place : place + 4], "big") for place in (16, 20))
        assert width == 330 and height > width  # Both panels below each other.


def test_letters_are_large_enough_on_a_phone(tmp_path):
    """A page of 400 pixels: the smallest letters have ten of them, the smallest that are read without effort."""
    figure, panes = panels(2)
    for axes in panes:
        axes.set(xlabel="meta-steps", ylabel="loss")
    save(figure, (tmp_path / "wide.png", Picture()), (tmp_path / "narrow.png", PHONE))
    sizes = [text.get_fontsize() for axes in panes for text in (axes.xaxis.label, *axes.get_xticklabels())]
    assert min(sizes) / 72 * 400 / PHONE.width >= 10
    assert [axes.get_position().x0 for axes in panes][0] == pytest.approx(panes[1].get_position().x0, abs=0.02)


def test_minutes_do_not_count_compilation(tmp_path):
    from metarule.launch.figures._snapshots import own_seconds

    lines = [{"step": step, "seconds": 60.0 + step, "own_seconds": float(step)} for step in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    files = {}
    for step in (0, 2):
        files[step] = RunFolder(tmp_path).snapshot(step)
        save_rule(files[step], CHOICE.build(jr.key(1)), configuration_of(CHOICE), {"seconds": 62.0 * (step > 0)})
    assert own_seconds(tmp_path, files) == {0: 0.0, 2: 2.0}


def test_a_clock_leaves_out_what_compiles(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(_clock.time, "monotonic", lambda: now[0])
    clock = _clock.Clock(5.0, 2.0)
    for first, seconds in ((True, 30.0), (False, 4.0)):
        with clock.compiling(first):
            now[0] += seconds
    assert (clock.seconds, clock.own_seconds) == (39.0, 7.0) and _clock.Clock(**clock.kept()).own_seconds == 7.0


def test_names_of_figures_are_those_that_help_shows(capsys):
    assert main(["figure", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in _figure.FIGURES)
