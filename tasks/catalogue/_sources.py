from ._digits import DigitsSource
from ._idx import IdxSource
from ._jpeg import JpegSource
from ._omniglot import OmniglotSource
from ._table_sources import CsvSource, NpzTableSource
from ._text_source import TextSource


_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_SENTIMENT = ("negative", "positive")
_QUESTIONS = ("abbreviation", "description", "entity", "human", "location", "number")
_DIGITS = tuple(str(digit) for digit in range(10))
_CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

SOURCES = (
    DigitsSource("digits", "", (), (None, 14)),
    IdxSource("mnist", "mnist", _IDX_FILES, (14, 28), _DIGITS),
    IdxSource("fashion_mnist", "fashion_mnist", _IDX_FILES, (14, 28), _CLOTHES),
    JpegSource("cifar10", "cifar10", ("cifar10_jpeg.npz",), (16, 32), ("train", "test")),
    JpegSource("tiny_imagenet", "tiny_imagenet_32", ("tiny_imagenet_32_jpeg.npz",), (16, 32), ("train", "val")),
    OmniglotSource(
        "omniglot", "omniglot_small", ("images_background_small1.zip", "images_background_small2.zip"), (14, 28)
    ),
    TextSource("imdb", "imdb", ("imdb_train.jsonl.gz", "imdb_test.jsonl.gz"), (None,), _SENTIMENT),
    TextSource("mr_polarity", "text", ("mr_polarity.jsonl.gz",), (None,), _SENTIMENT),
    TextSource("sst2", "text", ("sst2.jsonl.gz",), (None,), _SENTIMENT),
    TextSource("trec", "text", ("trec.jsonl.gz",), (None,), _QUESTIONS),
    NpzTableSource("pendigits", "tabular", ("pendigits.npz",), (None,)),
    CsvSource("adult", "tabular", ("adult_30162.csv.gz",), (None,), "income"),
)
