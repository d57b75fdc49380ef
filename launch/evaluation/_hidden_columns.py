from collections.abc import Callable, Iterable
from typing import Any, final, NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Float32

from ...errors import BadInput
from ...models import Form
from ...tasks import as_pixels, Examples, Frame, picture, Preparation, PrincipalAxes, ridge_scores
from ._features import Encoder, EvaluationData, features_of
from ._programs import Programs
from ._rows import Row


READOUTS = ("linear", "neighbours")
"""How hidden columns are predicted: by ridge regression, and by the mean of the nearest rows."""

_FOLDS, _ROWS, _QUERIES, _NEAREST = 10, 200, 1000, 10
"""Times that columns are hidden, rows that a readout is fitted to, rows that it is scored on, and nearest rows."""

_Matrix = Float32[np.ndarray, "_row _input"]


@final
class Halves(NamedTuple):
    """Rows for features to be learned from and rows held out, each as inputs that are seen and inputs that are hidden.

    Inputs of zeros fill both up, so that every fold has the same shapes and one program serves all.
    """

    train: _Matrix
    test: _Matrix
    train_hidden: _Matrix
    test_hidden: _Matrix


def hide_columns(train: Examples, test: Examples, ready: bool = False) -> list[Halves]:
    """Hides each of ten parts of the columns, or each column where there are fewer than ten.

    A column of a data frame is hidden with all inputs that are made of it. Of texts inputs are hidden, of images
    pixels.
    Preparation is fitted to the train rows, unless rows are inputs already (`ready`). Raises `BadInput` where there are
    not two columns, and for what can't be prepared.
    """
    framed, names = isinstance(train, Frame), []
    if framed:
        names = [name for name in train.columns if _varies(train[[name]])] or list(train.columns)
        train, test = train[names], test[names]
    if not framed or len(names) < 2:
        if (image := picture(train)) is not None:
            train, test = as_pixels(train, image), as_pixels(test, image)
        whole = Preparation.of(train, not ready, image)
        train, test, ready = whole(train), whole(test), True
        train, test = (x[:, np.ptp(train, axis=0) > 0] for x in (train, test))
    columns = train.shape[1]
    if columns < 2:
        raise BadInput("There is one column: features of it can't be tried without labels; name a column of labels.")
    order = np.random.default_rng(0).permutation(columns)
    made = []
    for hidden in np.array_split(order, min(_FOLDS, columns)):
        seen = np.setdiff1d(order, hidden)
        parts = [(_columns(train, some), _columns(test, some)) for some in (seen, hidden)]
        fitted = [Preparation.of(rows, standardise=not ready) for rows, _ in parts]
        made.append([[prepare(rows) for rows in part] for prepare, part in zip(fitted, parts)])
    seen, hidden = (max(fold[place][0].shape[1] for fold in made) for place in (0, 1))
    return [Halves(*(_filled(x, seen) for x in fold[0]), *(_filled(x, hidden) for x in fold[1])) for fold in made]


def hidden_column_rows(
    name: str,
    encoders: Iterable[tuple[str, Encoder]],
    folds: list[Halves],
    tell: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Scores encoders without labels: by how well features of the other columns predict hidden ones.

    Features are learned from all train rows, a readout from up to 200 of them, and scored on up to 1,000 held-out rows.
    `accuracy` is the share of the hidden inputs' variance that is predicted, zero where it is less than nothing, and
    `accuracies` are those of every fold.
    """
    cells = [(fold, _data(fold)) for fold in folds]
    with Programs() as programs:
        scored = [programs.begin(_rows, (name, own), encoder, cells, programs, tell) for own, encoder in encoders]
        return [row for each in scored for row in each.result()]


def _rows(
    names: tuple[str, str],
    encoder: Encoder,
    folds: list[tuple[Halves, EvaluationData]],
    programs: Programs,
    tell: Callable[[str], None],
) -> list[Row]:
    tell(": ".join(names))
    shares: dict[str, list[float]] = {readout: [] for readout in READOUTS}
    total, width = 0.0, 0
    for fold, given in folds:
        features, seconds = features_of(encoder, given, programs)
        support, query = (np.asarray(x[0]) for x in features)
        total, width = total + seconds, query.shape[1]
        targets, answers = fold.train_hidden[_labelled(fold.train)], fold.test_hidden[_scored(fold.test)]
        linear, _ = programs.run(_linear, jnp.asarray(support), jnp.asarray(query), jnp.asarray(targets))
        shares["linear"].append(predicted_share(np.asarray(linear), answers))
        shares["neighbours"].append(predicted_share(_of_neighbours(support, query, targets), answers))
    account = encoder.account(len(folds[0][0].train))
    return [
        Row(
            encoder=names[1],
            task=names[0],
            readout=readout,
            accuracy=float(np.mean(each)),
            accuracies=each,
            stderr=float(np.std(each, ddof=1) / len(each) ** 0.5),
            seeds=len(each),
            labelled=len(_labelled(folds[0][0].train)),
            unlabelled=account.unlabelled,
            steps=account.steps,
            seconds=total,
            statistics=account.statistics,
            features=width,
            other_rows=account.other_rows,
        )
        for readout, each in shares.items()
    ]


def predicted_share(predicted: Float[np.ndarray, "row target"], true: Float[np.ndarray, "row target"]) -> float:
    """The share of all targets' variance that is predicted, from 0 to 1; less than nothing counts as 0."""
    total = ((true - true.mean(0)) ** 2).sum()
    return max(0.0, 1 - float(((predicted - true) ** 2).sum() / total)) if total > 0 else 0.0


def _data(fold: Halves) -> EvaluationData:
    """What encoders are given. There are no labels: those here are all zero."""
    support, query = fold.train[_labelled(fold.train)], fold.test[_scored(fold.test)]
    labels, answers = (jnp.zeros((1, len(rows)), int) for rows in (support, query))
    return EvaluationData(
        jnp.asarray(fold.train),
        jnp.asarray(support)[None],
        labels,
        jnp.asarray(query)[None],
        answers,
        jr.split(jr.key(0), 1),
        classes=1,
        form=Form.of(fold.train, None),
    )


def _labelled(train: _Matrix) -> np.ndarray:
    return np.random.default_rng(1).permutation(len(train))[:_ROWS]


def _scored(test: _Matrix) -> np.ndarray:
    return np.random.default_rng(2).permutation(len(test))[:_QUERIES]


def _linear(
    support: Float[Array, "support feature"],
    query: Float[Array, "query feature"],
    targets: Float[Array, "support target"],
) -> Float[Array, "query target"]:
    return ridge_scores(PrincipalAxes.of(support, query), targets)


def _of_neighbours(support: _Matrix, query: _Matrix, targets: _Matrix) -> Float[np.ndarray, "query target"]:
    from sklearn.neighbors import KNeighborsRegressor  # Takes a second to import.

    return KNeighborsRegressor(min(_NEAREST, len(support))).fit(support, targets).predict(query)


def _varies(column: Examples) -> bool:
    """Whether inputs can be made of a data frame's column alone."""
    try:
        Preparation.of(column)
    except BadInput:
        return False
    return True


def _columns(x: Examples, places: np.ndarray) -> Examples:
    rows: Any = x
    return rows.iloc[:, places] if isinstance(x, Frame) else rows[:, places]


def _filled(x: _Matrix, width: int) -> _Matrix:
    return np.pad(x, ((0, 0), (0, width - x.shape[1])))
