"""What README and the pages in docs/ say is so: their Python and commands run, their options and classes exist.

Blocks of `python` and `console` are run in the page's order, in one folder that holds the examples own_*.py; those of
`sh`, which need data, hours or many hosts, have their options checked alone. Commands get options that make them tiny.
"""

import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from metarule import rules
from metarule.launch.__main__ import main
from metarule.launch.options._ingredients import INGREDIENTS
from sklearn.datasets import load_digits


CHECKOUT = Path(__file__).parents[1]
DOCS = CHECKOUT / "docs"
PAGES = {page.relative_to(CHECKOUT).as_posix(): page for page in (CHECKOUT / "README.md", *DOCS.rglob("*.md"))}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)

# These commands differ in their options, not in what they run: one page of each kind is enough for the quick suite.
QUICK = ("README.md", "docs/use.md")
_SIZES = (
    "--networks 4-4 --ways 2 --shots 2 --batch-sizes 4 --augmentation none --horizon.low 2 --steps 2 "
    "--validate-every 2 --evaluation-steps 2 --labels 2 --seeds 2"
)
_TINY_RULE = "--rule.hidden 4 --rule.signal 2 --rule.readout 1"
_STUDY = re.sub("--", "--training.", f"{_SIZES} {_TINY_RULE}")
_FEW = "--tasks digits --steps 2 --seeds 2 --queries 50"
SMALL = {
    "train": _SIZES,
    "ablate": f"{_STUDY} --training.estimator.population.tasks 2 --training.estimator.window.low 2 --seeds 1",
    "compare": f"{_STUDY} --tasks-per-step 2 --window 2 --samples 2 --seeds 1",
    "evaluate": "--steps 2 --seeds 2 --queries 50 --memory 0 --skip 2",
    "figure": f"{_FEW} --labels 2",
    "report": "--steps 2 --seeds 2 --queries 50",
    "encode": "--steps 2",
    "bench": "--repeats 1 --seconds 0.1",
}


def blocks(page):
    """The kind and text of every block of a page, with what its snippets include."""
    included = lambda found: (DOCS / found[1]).read_text()
    return [(kind, re.sub(r'--8<-- "(.*)"\n', included, text)) for kind, text in BLOCK.findall(page.read_text())]


def commands(text):
    """The words of each command of Metarule in a block of a shell."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|;", line):
            words = shlex.split(part, comments=True)
            if words[:1] == ["metarule"]:
                yield words[1:]


def made_tiny(words):
    name = words[0]
    more = SMALL.get(name, "").split()
    if name == "train" and "own_estimator:Differences" not in words:
        more += "--estimator.population.tasks 2 --devices 1".split()
        if not any(word.startswith(("--estimator", "evosax")) for word in words):
            more += "--estimator.window.low 2".split()
    if name == "train" and "own_rule:Plasticity" not in words and "--start" not in words:
        more += _TINY_RULE.split()
    return [*words, *more]


def run_page(page, tmp_path, monkeypatch):
    for file in DOCS.glob("own_*.py"):
        shutil.copy(file, tmp_path)
    images, labels = load_digits(return_X_y=True)
    np.savez(tmp_path / "images.npz", x=images[:200].reshape(-1, 8, 8), y=labels[:200])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    names = {"__name__": "page"}
    for kind, text in blocks(page):
        if kind == "python":
            exec(compile(text, str(page), "exec"), names)
        if kind == "console":
            for words in commands(text):
                assert main(made_tiny(words)) == 0, shlex.join(words)
    return names


RUNNABLE = [name for name, page in PAGES.items() if any(kind in ("python", "console") for kind, _ in blocks(page))]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in RUNNABLE]
)
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    run_page(PAGES[name], tmp_path, monkeypatch)


SHELL = [text for page in PAGES.values() for kind, text in blocks(page) if kind in ("console", "sh")]
EVERY = {shlex.join(words): words for text in SHELL for words in commands(text)}


@pytest.mark.parametrize("words", EVERY.values(), ids=EVERY)
def test_the_options_of_a_command_exist(words, capsys):
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    chosen = [word for option in ("--preset", "--rule", "--estimator") for word in _after(words, option)]
    assert main([*words[:1], *chosen, "--help"]) == 0
    text = capsys.readouterr().out
    for option in options:
        assert option in text, f"metarule {words[0]} has no {option}"


def _after(words, option):
    """The option and its value, if the value is a name of Metarule's own."""
    if words[0] != "train" or option not in words or ":" in words[words.index(option) + 1]:
        return ()
    return words[words.index(option) : words.index(option) + 2]


def test_the_glossary_explains_every_ingredient_and_every_term():
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "read.md").read_text(), re.M)
    assert sorted(rows) == sorted(INGREDIENTS)
    terms = [name for name in dir(rules) if isinstance(getattr(rules, name), type)]
    terms = [name for name in terms if issubclass(getattr(rules, name), rules.AbstractTerm)]
    text = (DOCS / "read.md").read_text()
    assert all(f"`{name}`" in text for name in terms if name != "AbstractTerm")


def test_the_readme_is_short():
    lines = PAGES["README.md"].read_text().splitlines()
    assert len(lines) <= 120 and max(map(len, lines)) <= 120


def test_every_example_of_an_own_class_stands_on_a_page():
    included = re.findall(r'--8<-- "(.*)"', (DOCS / "own.md").read_text())
    assert sorted(included) == sorted(file.name for file in DOCS.glob("own_*.py"))
