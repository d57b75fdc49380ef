"""Which data sets serve for what, once and for all: training, development, and the held-out test."""

from pathlib import Path

from ._load import Known, known


TRAINING = (
    *("embedded", "topics", "tables", "omniglot14", "tiny_imagenet_rest14"),
    *("sst2", "mr_polarity"),
    *("australian", "banana", "bupa", "chess", "contraceptive", "crx", "german", "led7digit", "marketing", "ring"),
    *("tic-tac-toe", "titanic"),
)
"""Sources that rules may be meta-trained on, their labels too.

Three quarters of the sentences in sst2 are in mr_polarity, so one of them can't train what the other one judges. Both
are here because they hardly judge: with 10 labels per class a logistic regression on words is right about 52% of them.
"""

DEVELOPMENT = (
    *("handwriting10", "handwriting20", "tiny_imagenet_a16", "tiny_imagenet_b16"),
    *("trec", "topics20"),
    *("mammographic", "mushroom", "satimage", "pima", "housevotes"),
    *("mixtures", "manifolds"),
)
"""Data sets to choose everything by: rules, settings, encoders. Their labels train no rule."""

HELD_OUT = (
    *("mnist14", "fashion_mnist14", "cifar10_16", "digits"),
    "imdb",
    *("pendigits", "adult", "texture", "twonorm", "wisconsin", "sonar", "saheart"),
)
"""Data sets that are scored once, when everything has been chosen."""

SUITES = {"development": DEVELOPMENT, "held-out": HELD_OUT}


def suite_data_sets(suite: str, data_dir: str | Path | None = None) -> tuple[Known, ...]:
    """The data sets of a suite in its order, `development` or `held-out`: which are present, and where files belong."""
    lines = {line.name: line for line in known(data_dir)}
    return tuple(lines[name] for name in SUITES[suite])
