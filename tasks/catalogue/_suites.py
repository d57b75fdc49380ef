"""Which data sets serve for what, once and for all: training, development, and the held-out test."""

TRAINING = (
    *("embedded", "topics", "omniglot14", "tiny_imagenet_rest14"),
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
