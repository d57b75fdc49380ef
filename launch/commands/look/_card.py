from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ...encoders._trained_rule import TrainedRule
from ...evaluation._rows import Row
from ...evaluation._verdict import verdict
from ...figures._words import duration, settings
from ...options._parse import parse
from ...options._recipes import recipe
from ...records._files import write_atomically
from ...records._rule_file import locate_rule, read_header
from ...records._run_folder import RunFolder
from ...records._tables import read_rows
from ._report import origin


def main(arguments: list[str]) -> int:
    """Runs `metarule card` and returns its exit code."""
    return parse(card, arguments, "card")


def card(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    /,
    out: Path | None = None,
    repository: str = "OWNER/NAME",
    author: str | None = None,
    licence: str = "apache-2.0",
    rule_class: str | None = None,
) -> int:
    """Writes the card of a run's rule: what it is, what it is worth, how it was made and is used, and at which cost.

    The card has the form of the Hugging Face Hub. Upload it as README.md with the run's rule.safetensors, and the rule
    is `hf:OWNER/NAME` everywhere.

    Args:
        run: the folder of a finished run.
        out: file to write; by default RUN/README.md.
        repository: where it will be shared, as OWNER/NAME.
        author: whom to cite.
        licence: licence of the rule, by its SPDX identifier.
        rule_class: MODULE:CLASS of your own, if the rule file holds a rule of that class: a file never imports code.
    """
    trained = TrainedRule.of(run, like=None if rule_class is None else recipe(rule_class))
    folder = RunFolder(trained.folder)
    configuration, record = read_header(locate_rule(run))
    rows = read_rows(folder.results, Row) if folder.results.exists() else []
    parts = [
        _front(licence),
        f"# {repository.rpartition('/')[2]}\n\n{origin(trained, configuration, record)}",
        f"## Results\n\n{verdict(rows) or ''}\n\n{_table(rows)}" if rows else "",
        f'## Use\n\n```python\nimport metarule\n\nrule = metarule.pretrained("hf:{repository}")\n'
        f'features = metarule.UnsupervisedEncoder("hf:{repository}").fit_transform(x)\n```\n\n'
        f"`metarule evaluate hf:{repository}` scores it on your data.",
        f"## How it was made\n\n{_listed(settings(configuration))}\n{_listed(settings(record))}",
        f"## Cost\n\n{_cost(record)}",
        f"## Licence\n\n{licence}",
        f"## Citation\n\n{_citation(repository, author)}",
    ]
    path = folder.path / "README.md" if out is None else out
    write_atomically(path, "\n\n".join(filter(None, parts)) + "\n")
    print(f"Wrote {path}: upload it with {trained.path} to share the rule.")
    return 0


def _front(licence: str) -> str:
    return f"---\nlibrary_name: metarule\nlicense: {licence}\ntags:\n- meta-learning\n- unsupervised-learning\n---"


def _table(rows: Sequence[Row]) -> str:
    """Accuracies in %, a line for each data set and encoder and a column for each readout."""
    readouts = list(dict.fromkeys(row["readout"] for row in rows))
    lines = [f"| data set | encoder | {' | '.join(readouts)} |", "|---" * (2 + len(readouts)) + "|"]
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        text = f"{100 * row['accuracy']:.1f} ± {100 * row['stderr']:.1f}"
        cells.setdefault((row["task"], row["encoder"]), {})[row["readout"]] = text
    lines += [
        f"| {task} | {encoder} | {' | '.join(own.get(readout, '') for readout in readouts)} |"
        for (task, encoder), own in cells.items()
    ]
    first = rows[0]
    note = f"Accuracy in %, {first['labelled']:,} labelled examples, {first['seeds']} seeds, ± standard error."
    return "\n".join([*lines, "", note])


def _listed(values: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in values.items())


def _cost(record: dict[str, Any]) -> str:
    seconds = record.get("seconds")
    if not isinstance(seconds, int | float):
        return "Not recorded."
    return f"{duration(seconds)} of wall time for {record.get('steps')} meta-steps, with compilation."


def _citation(repository: str, author: str | None) -> str:
    who = f"{author}: " if author else ""
    return (
        f"{who}{repository}, a meta-learned update rule made with Metarule. The method is that of L. Metz, "
        "N. Maheswaranathan, B. Cheung and J. Sohl-Dickstein: Meta-Learning Update Rules for Unsupervised "
        "Representation Learning, ICLR 2019 (arXiv 1804.00222)."
    )
