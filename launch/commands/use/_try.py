from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

from ....errors import BadInput
from ....models import Mirroring
from ....tasks import count, DataSet, load, Part, take
from ...caches._compilations import cache_compilations
from ...encoders._trained_rule import TrainedRule
from ...evaluation._advice import advice
from ...evaluation._evaluate import Evaluation, Sayings
from ...evaluation._hidden_columns import hidden_column_rows, hide_columns
from ...evaluation._rows import print_task, Row
from ...options._parse import parse
from ...records._features_file import check_features_file
from ...records._files import check_writable, write_atomically
from ...records._tables import TableFiles
from ._encoding import Encoding, located, RuleAndData, write_encoded


_PCA = 32
"""Components where no labels choose their number."""

_OTHERS = {
    "raw": "raw inputs",
    "pca": "PCA",
    "kmeans-256": "k-means",
    "kmeans-256+pca": "k-means with PCA",
}
"""What the rule is tried beside, the simplest first."""


def main(arguments: list[str]) -> int:
    """Runs `metarule try` and returns its exit code."""
    return parse(try_, arguments, "try")


def try_(
    rule_and_data: RuleAndData,
    /,
    encoding: Annotated[Encoding, tyro.conf.arg(name="")] = Encoding(),
    per_class: int = 10,
    seeds: int = 10,
    out: Path | None = None,
    page: Path | None = None,
    table: Annotated[TableFiles, tyro.conf.arg(name="")] = TableFiles(),
) -> int:
    """Says whether a rule's features are worth it on data: a table beside raw inputs, PCA and k-means, and advice.

    With labels features are scored as by `metarule evaluate`: by readouts of a few labelled examples on held-out ones.
    Without labels the columns are divided into ten parts; features of the other nine predict each part on held-out
    rows, by ridge regression and by the mean of the 10 nearest of 200 rows: the share of variance that is predicted.

    Args:
        rule_and_data: RULE and DATA as for `metarule encode`; a table without :LABEL is tried without labels.
        per_class: labelled examples per class, or as many as the smallest class has.
        seeds: repetitions with labels, 2 or more, each with its own start and examples.
        out: also write the rule's features of all examples, as `metarule encode` does.
        page: also write the table, a picture and the advice to this HTML page.
    """
    cache_compilations()
    if per_class < 1 or seeds < 2:
        raise BadInput("--per-class needs 1 or more, and --seeds 2 or more.")
    path, data = located(rule_and_data, encoding.chosen, out, page, table.json, table.csv)
    if out is not None:
        check_features_file(out)
    elif encoding.seed:
        raise BadInput("--seed is that of the features in --out, which is not given; the table has its own --seeds.")
    check_writable(page)
    parts, ready = encoding.read(data)
    trained = encoding.trained(path)
    with Console(stderr=True).status("compiling") as status:  # Shown on a terminal only.
        if parts[0].y is None:
            rows, title, note = _without_labels(data, parts, ready, trained, Sayings(status.update))
            guessing = 0.0
        else:
            data_set = load(data, encoding.data_dir, encoding.chosen)
            sizes = per_class, seeds
            rows, title, note = _with_labels(data_set, sizes, trained, encoding.mirrored, Sayings(status.update))
            guessing = 1 / data_set.classes
    names = dict(zip(dict.fromkeys(row["encoder"] for row in rows), [*_OTHERS.values(), "the rule"]))
    sentence = advice(rows, names, "points", guessing)
    table.write(rows)
    if page is not None:
        write_atomically(page, _page(rows, data, (title, note, sentence)))
    print_task(rows, f"{data}: {title}", note=note)
    Console().print(sentence, markup=False, highlight=False, soft_wrap=not Console().is_terminal)
    if out is not None:
        print(write_encoded(out, encoding.fit(trained, parts[0].x, ready), parts))
    return 0


def _with_labels(
    data_set: DataSet, sizes: tuple[int, int], trained: TrainedRule, mirrored: Mirroring, say: Sayings
) -> tuple[list[Row], str, str]:
    """The rows of few-label accuracy, their title, and what was measured."""
    per_class, seeds = sizes
    counts = np.bincount(data_set.train_y, minlength=data_set.classes)
    if 2 * data_set.classes > len(data_set.train_y):
        raise BadInput(
            f"{data_set.name} has {data_set.classes} classes for {len(data_set.train_y)} examples: labels are to be "
            "classes; leave them out by --drop to try it without labels."
        )
    labels = min(per_class, max(1, int(counts.min()) // (1 + data_set.split_anew)))
    encoders = *_OTHERS, "meta-trained"
    settings = Evaluation(encoders=encoders, labels=labels, seeds=seeds, mirrored=mirrored, unlabelled=10_000)
    rows = settings.scored([data_set], trained, say)
    labelled = rows[0]["labelled"]
    tested = min(settings.queries, len(data_set.test_y) - data_set.split_anew * labelled)
    anew = ", split anew for each seed" * data_set.split_anew
    note = (
        f"readouts of {labelled:,} labelled examples, scored on {tested:,} others{anew}; ± is the standard error over "
        f"{seeds} seeds"
    )
    return rows, f"accuracy with {labels} label{'s' * (labels > 1)} per class", note


def _without_labels(
    data: str, parts: Sequence[Part], ready: bool, trained: TrainedRule, say: Sayings
) -> tuple[list[Row], str, str]:
    """The rows of predictions of hidden columns, their title, and what was measured."""
    train, test = parts[0].x, parts[1].x if len(parts) > 1 else None
    if test is None:
        order = np.random.default_rng(0).permutation(count(train))
        held_out = max(1, len(order) // 5)
        train, test = take(train, order[held_out:]), take(train, order[:held_out])
    train = take(train, np.arange(count(train))[:10_000])
    others = [name.replace("pca", f"pca-{_PCA}") for name in _OTHERS]
    settings = Evaluation(encoders=(*others, "meta-trained"))
    folds = hide_columns(train, test, ready)
    rows = hidden_column_rows(data, settings.contestants(trained), folds, say.tell)
    note = f"readouts of {rows[0]['labelled']:,} rows; ± is the standard error over {len(folds)} parts that were hidden"
    return rows, "share of the variance of hidden columns that is predicted", note


def _named(row: Row) -> str:
    return "the rule" if row["encoder"] == "meta-trained" else row["encoder"]


def _page(rows: Sequence[Row], data: str, words: tuple[str, str, str]) -> str:
    from ...figures._html import lead, page, picture, section, table  # With matplotlib they take a second to import.
    from ...figures._plots import bars, drawn, panels, PHONE, Picture

    title, note, sentence = words
    readouts = list(dict.fromkeys(row["readout"] for row in rows))
    figure, panes = panels(len(readouts), 5.0, 2.8)
    for axes, readout in zip(panes, readouts):
        own = [row for row in rows if row["readout"] == readout]
        means, halves = ([100 * row[key] for row in own] for key in ("accuracy", "stderr"))
        bars(axes, [_named(row) for row in own], means, [2 * half for half in halves], color="#0072B2")
        axes.set(xlabel=f"{readout}, %", xlim=(0, 100))
    image = picture(drawn(figure, Picture()), title, drawn(figure, PHONE))
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        own = lines.setdefault(row["encoder"], {"encoder": _named(row)})
        own[f"{row['readout']}, %"] = f"{100 * row['accuracy']:.1f} ± {100 * row['stderr']:.1f}"
    for row in rows:
        lines[row["encoder"]] |= {"features": f"{row['features']:,}"}
    caption = f"{note[0].upper()}{note[1:]}, error bars are two. The advice goes by the mean of both readouts."
    parts = [
        lead(sentence),
        section(f"{title[0].upper()}{title[1:]}", image, table([*lines.values()]), caption=caption),
    ]
    return page(f"Metarule on {Path(data).name}", parts, f"Written by metarule {version('metarule')}.")
