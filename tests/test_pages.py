"""What README and the pages in docs/ say is so: their Python and commands run, their options and classes exist.

Blocks of `python` and `console` are run in the page's order, in one folder that holds the examples own_*.py; those of
`sh` or of no kind, which need data, hours or many hosts, have their options checked alone. Commands get options that
make them tiny.
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
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)

# The others run commands, each of which compiles programs of its own: the slow suite runs them.
QUICK = ("README.md", "docs/how.md")
_OF_TASKS = "--ways 2 --shots 2 --augmentation none"
_SIZES = (
    f"{_OF_TASKS} --networks 4-4 --batch-sizes 4 --horizon.low 2 --steps 2 "
    "--validate-every 2 --evaluation-steps 2 --labels 2 --seeds 2"
)
_TINY_RULE = "--rule.hidden 4 --rule.signal 2 --rule.readout 1"
_STUDY = re.sub("--", "--training.", f"{_SIZES} {_TINY_RULE}")
_FEW = "--tasks digits --steps 2 --seeds 2 --queries 50"
SMALL = {
    "train": _SIZES,
    "ablate": f"{_STUDY} --training.estimator.population.tasks 2 --training.estimator.window.low 2 --seeds 1",
    "compare": f"{_STUDY} --tasks-per-step 2 --window 2 --samples 2 --seeds 1",
    "evaluate": "--steps 2 --seeds 2 --queries 50 --memory 0 --prototypes 4 --skip 2",
    "figure": f"{_FEW} --labels 2",
    "encode": "--steps 2",
    "export": "--steps 2",
    "try": "--steps 2 --seeds 2 --memory 0 --prototypes 4 --skip 2",
    "inspect": "--steps 2",
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
    """The command with options that make it tiny; of two values of an option the last one counts."""
    more = SMALL.get(words[0], "").removeprefix(_OF_TASKS if "--tasks" in words else "").split()
    if words[0] == "train" and "own_estimator:Differences" not in words:
        more += "--estimator.population.tasks 2 --estimator.window.low 2 --devices 1".split()
    shaped = {"own_rule:Plasticity", "own_term:WithCovariance", "polynomial", "bidirectional", "local-loss", "--start"}
    if words[0] == "train" and not shaped & set(words):
        more += _TINY_RULE.split()
    return [*words, *more]


def run_page(page, tmp_path, monkeypatch):
    for file in DOCS.glob("own_*.py"):
        shutil.copy(file, tmp_path)
    images, labels = load_digits(return_X_y=True)
    np.savez(tmp_path / "images.npz", x=images[:200].reshape(-1, 8, 8), y=labels[:200])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])  # As Python in that folder has it.
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


def asked():
    """The options that pages name, by the command and the names that decide which options it has."""
    found = {}
    for name, page in PAGES.items():
        texts = [text for kind, text in blocks(page) if kind in ("console", "sh", "")]
        if not name.endswith("experiments.md"):  # The lab book has commands as they were at the time.
            texts += [" ".join(each.split()) for each in re.findall(r"`(metarule [^`]+)`", page.read_text())]
        for words in (each for text in texts for each in commands(text)):
            if re.fullmatch(r"[a-z-]+", words[0]) and words[0] != "--help":
                found.setdefault((words[0], *chosen(words)), set()).update(word for word in words if word[:2] == "--")
    return found


def chosen(words):
    """The options of `train` that decide which others there are, with their values, where those are Metarule's own."""
    for option in ("--preset", "--rule", "--estimator"):
        value = words[words.index(option) :][1:2] if words[0] == "train" and option in words else []
        if value and re.fullmatch("[a-z-]+", value[0]):
            yield from (option, *value)


ASKED = asked()


@pytest.mark.parametrize("command", ASKED, ids=" ".join)
def test_the_options_of_a_command_exist(command, capsys):
    assert main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert not [option for option in ASKED[command] if option not in text]


def test_the_glossary_explains_every_ingredient_and_every_term():
    text = (DOCS / "read.md").read_text().partition("## Which parts")[0] + (DOCS / "encodings.md").read_text()
    assert sorted(re.findall(r"^\| `(\w+)` \|", text, re.M)) == sorted(INGREDIENTS)
    terms = [name for name in dir(rules) if isinstance(getattr(rules, name), type)]
    terms = [name for name in terms if issubclass(getattr(rules, name), rules.AbstractTerm)]
    assert all(f"`{name}`" in text for name in terms if name != "AbstractTerm")


def test_the_readme_is_short():
    lines = PAGES["README.md"].read_text().splitlines()
    assert len(lines) <= 120 and max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", [name for name in PAGES if not name.endswith("experiments.md")])
def test_lines_of_prose_have_one_width(name):
    prose = BLOCK.sub("", PAGES[name].read_text()).splitlines()
    assert not [line for line in prose if len(line) > 120 and not line.startswith(("|", "![", "$$"))]


def test_every_example_of_an_own_class_stands_on_a_page():
    included = re.findall(r'--8<-- "(.*)"', (DOCS / "own.md").read_text())
    assert sorted(included) == sorted(file.name for file in DOCS.glob("own_*.py"))


def test_every_entry_of_the_lab_book_has_its_four_parts():
    _, *entries = re.split(r"^## ", (DOCS / "experiments.md").read_text(), flags=re.M)
    assert [int(entry.partition(".")[0]) for entry in entries] == list(range(1, len(entries) + 1))
    for entry in entries:
        parts = re.findall(r"^\*\*(\w+)\.\*\*", entry, re.M)
        assert parts == ["Question", "Command", "Result", "Verdict"], entry[:60]
