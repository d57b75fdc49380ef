"""What a terminal shows of help, data sets, rules and runs: whole words at 80 and at 40 columns, all explained."""

import contextlib
import dataclasses
import io
import re
import sys
import textwrap

import pytest
from metarule.launch.__main__ import _COMMANDS, main
from metarule.launch.commands.use._data import list_data
from metarule.launch.figures._terminal import RunSummary
from metarule.launch.options._command_line import parse_training
from metarule.launch.options._estimators import ESTIMATORS
from metarule.launch.options._objectives import OBJECTIVES
from metarule.launch.options._parse import parse
from metarule.launch.options._training import RunOptions
from metarule.launch.records._rule_file import shipped
from metarule.launch.records._run_folder import RunFolder
from rich.console import Console


PARTS = [["--estimator", name] for name in (*ESTIMATORS, "evosax:CMA_ES")]
PARTS += [["--objective", name] for name in OBJECTIVES] + [["--rule", "released"]]


def shown(show, columns, monkeypatch):
    """The lines that are printed on a terminal so wide."""
    monkeypatch.setenv("COLUMNS", str(columns))
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(out):
        show()
    out.seek(0)
    return out.read().splitlines()


def unexplained(lines):
    """The options below whose names no words follow; a long name takes two lines."""
    following = {place: next((each for each in lines[place + 1 :] if each.startswith("    ")), "")
                 for place, line in enumerate(lines) if line.startswith("  --")}  # fmt: skip
    return [lines[place] for place, line in following.items() if not re.match(r"    [^( ]", line)]


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("command", _COMMANDS)
def test_help_fits_and_explains_every_option(command, columns, monkeypatch):
    lines = shown(lambda: main([command, "--help"]), columns, monkeypatch)
    text = "\n".join(lines)
    assert "{None" not in text and "(default: None)" not in text
    long = [line for line in lines if len(line) > columns and " " in line.strip(" │")]
    assert not long  # A single word that is longer may stand out, but no line is.
    if columns == 40:
        assert not unexplained(lines)


@dataclasses.dataclass
class Options:
    """What a class says is longer than a line of its docstring, and so this sentence ends in the middle, on
    another line.
    """

    size: int = 3
    """Centimetres between the first and the last of all that there are, which is said here at such a length that it
    goes on below."""
    names: tuple[str, ...] = ()
    """Words that are given."""
    place: str | None = None
    """Where it is."""


@pytest.mark.parametrize("columns", [80, 129, 300])
def test_a_sentence_goes_on_to_the_end_of_each_line(columns, monkeypatch):
    def show():
        with contextlib.suppress(SystemExit):
            parse(Options, ["--help"], "test")

    lines = [line.strip("│ ") for line in shown(show, columns, monkeypatch)]
    said = " ".join(str(Options.__doc__).split())
    assert lines[2:4] == textwrap.wrap(said, columns)[:2] or lines[2] == said
    first = next(place for place, line in enumerate(lines) if "Centimetres" in line)
    begin = lines[first].index("Centimetres")
    words = "Centimetres between the first and the last of all that there are, which is said here at such a length "
    wrapped = textwrap.wrap(f"{words}that it goes on below. (default: 3)", min(columns, 129) - 4 - begin)
    assert [lines[first][begin:], *lines[first + 1 : first + len(wrapped)]] == wrapped
    assert re.findall("default.*?[)]", " ".join(lines)) == ["default: 3)"]  # Nothing of what may be left out.


@pytest.mark.parametrize("part", PARTS, ids=" ".join)
def test_every_option_of_every_part_is_explained(part, monkeypatch):
    def show():
        with contextlib.suppress(SystemExit):
            parse_training([*part, "--help"], RunOptions())

    lines = shown(show, 40, monkeypatch)
    assert any(line.startswith("  --") for line in lines) and not unexplained(lines)


def on_terminal(columns):
    return Console(file=io.StringIO(), force_terminal=True, width=columns, no_color=True, _environ={})


def test_paths_of_data_sets_are_never_broken(tmp_path):
    folder = tmp_path / "a folder with a long name of which nothing may be lost"
    screen = on_terminal(40)
    list_data(screen, folder)
    lines = screen.file.getvalue().splitlines()
    (mnist,) = [line for line in lines if line.startswith("  mnist14")]
    assert mnist.endswith(f"missing from {folder / 'mnist'}")
    assert re.search(r"^  digits +built in$", screen.file.getvalue(), re.M)


@pytest.mark.parametrize("columns", [80, 40])
def test_the_newest_values_of_a_run_are_shown_at_any_width(columns, tmp_path):
    run = RunFolder.create(tmp_path / "run", {"steps": 500})
    losses = [1.0] * 499 + [9.0]
    text = [f'{{"step": {step}, "seconds": {step}, "meta_loss": {loss}}}\n' for step, loss in enumerate(losses, 1)]
    run.metrics.write_text("".join(text))
    screen = on_terminal(columns)
    screen.print(RunSummary(run))
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    (bars,) = [line for line in lines if line.startswith("meta-loss")]
    assert bars.endswith("█") and columns / 3 < len(bars) <= columns and max(map(len, lines)) <= columns


@pytest.mark.parametrize("width", [80, 40])
def test_a_card_is_laid_out_on_a_terminal_and_raw_in_a_pipe(width, monkeypatch, capsys):
    from metarule.launch.commands.look import _info

    assert main(["info", "default"]) == 0
    assert "## Command" in capsys.readouterr().out
    screen = on_terminal(width)
    monkeypatch.setattr(_info.rich.console, "Console", lambda: screen)
    assert main(["info", "default"]) == 0
    text = screen.file.getvalue()
    assert "Command" in text and "## Command" not in text and "null" not in text and "{" not in text
    assert max(len(re.sub("\x1b.*?m", "", line)) for line in text.splitlines()[1:]) <= width + len(str(sys.prefix))
    cells = re.findall(r"[\d.]+ ± [\d.]+ / [\d.]+ ± [\d.]+", shipped()["default"].with_suffix(".md").read_text())
    assert len(cells) > 20 and all(cell in text for cell in cells) and "…" not in text  # None is cut or broken.
    assert "<!--" not in text


def test_without_takes_away_and_with_puts_back(capsys):
    """Naming one ingredient must not bring back those that the preset is without."""
    usual = parse_training([], RunOptions())[0].rule.without
    assert parse_training(["--rule.without", "hebb"], RunOptions())[0].rule.without == (*usual, "hebb")
    rest = tuple(name for name in usual if name != "rbf")
    assert parse_training(["--rule.with", "rbf"], RunOptions())[0].rule.without == rest
    both = parse_training(["--rule.with", "rbf", "--rule.without", "hebb", "hebb"], RunOptions())[0].rule.without
    assert set(both) == {*rest, "hebb"} and len(both) == len(set(both))
    assert main(["train", "--rule.with", "hebb"]) == 2
    assert "can't be made with 'hebb', which it is not without: it is without large_decay" in capsys.readouterr().err
