from functools import partial

from ..made_up._handwriting import handwriting
from ..made_up._mixtures import manifolds, mixtures
from ..made_up._topics import topics
from ._cifar import CifarSource
from ._digits import DigitsSource
from ._idx import IdxSource
from ._jpeg import JpegSource
from ._made_up_source import MadeUpSource
from ._omniglot import OmniglotSource
from ._source import AbstractSource
from ._table_sources import CsvSource, NpzTableSource
from ._text_source import ReviewSource, TextSource


_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_IDX_UNPACKED = tuple(file.removesuffix(".gz") for file in _IDX_FILES)
_SENTIMENT = ("negative", "positive")
_QUESTIONS = ("abbreviation", "description", "entity", "human", "location", "number")
_DIGITS = tuple(str(digit) for digit in range(10))
_CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

_TABLES = (
    *("australian", "banana", "bupa", "chess", "contraceptive", "crx", "german", "housevotes", "led7digit"),
    *("mammographic", "marketing", "mushroom", "pima", "ring", "saheart", "satimage", "sonar", "texture"),
    *("tic-tac-toe", "titanic", "twonorm", "wisconsin"),
)

# Two tens of classes for choosing settings, spread evenly over WordNet's order, and the 180 others for training. No
# file is in two of the three parts: twenty others are in two classes, such as 14 and 196.
_FIRST, _SECOND = tuple(range(1, 200, 20)), tuple(range(11, 200, 20))
_REST = tuple(index for index in range(200) if index % 10 != 1)


def _tiny_imagenet(name: str, sides: tuple[int, ...], kept: tuple[int, ...] | None = None) -> JpegSource:
    return JpegSource(name, "tiny_imagenet_32", ("tiny_imagenet_32_jpeg.npz",), sides, ("train", "val"), kept)


SOURCES: tuple[AbstractSource, ...] = (
    DigitsSource("digits", "", (), (None, 14)),
    *(IdxSource("mnist", "mnist", files, (14, 28), _DIGITS) for files in (_IDX_FILES, _IDX_UNPACKED)),
    *(IdxSource("fashion_mnist", "fashion_mnist", files, (14, 28), _CLOTHES) for files in (_IDX_FILES, _IDX_UNPACKED)),
    CifarSource("cifar10", "cifar10", ("cifar-10-binary.tar.gz",), (16, 32)),
    CifarSource("cifar10", "cifar10/cifar-10-batches-bin", ("data_batch_1.bin",), (16, 32)),
    JpegSource("cifar10", "cifar10", ("cifar10_jpeg.npz",), (16, 32), ("train", "test")),
    _tiny_imagenet("tiny_imagenet", (16, 32)),
    _tiny_imagenet("tiny_imagenet_a", (16, 32), _FIRST),
    _tiny_imagenet("tiny_imagenet_b", (16, 32), _SECOND),
    _tiny_imagenet("tiny_imagenet_rest", (14, 16), _REST),
    OmniglotSource(
        "omniglot", "omniglot_small", ("images_background_small1.zip", "images_background_small2.zip"), (14, 28)
    ),
    ReviewSource("imdb", "imdb", ("aclImdb_v1.tar.gz",), (None,)),
    ReviewSource("imdb", "imdb/aclImdb", ("README",), (None,)),
    TextSource("imdb", "imdb", ("imdb_train.jsonl.gz", "imdb_test.jsonl.gz"), (None,), _SENTIMENT),
    TextSource("mr_polarity", "text", ("mr_polarity.jsonl.gz",), (None,), _SENTIMENT),
    TextSource("sst2", "text", ("sst2.jsonl.gz",), (None,), _SENTIMENT),
    TextSource("trec", "text", ("trec.jsonl.gz",), (None,), _QUESTIONS),
    NpzTableSource("pendigits", "tabular", ("pendigits.npz",), (None,)),
    CsvSource("adult", "tabular", ("adult_30162.csv.gz",), (None,), "income", held_out=0.2),
    *(CsvSource(name, "tables", (f"{name}.csv.gz",), (None,), "class", held_out=0.4) for name in _TABLES),
    MadeUpSource("handwriting10", "", (), (None,), partial(handwriting, 14, range(10), 600, 2)),
    MadeUpSource("handwriting20", "", (), (None,), partial(handwriting, 14, range(10, 30), 400, 3)),
    MadeUpSource("mixtures", "", (), (None,), partial(mixtures, 2)),
    MadeUpSource("manifolds", "", (), (None,), partial(manifolds, 3)),
    MadeUpSource("topics20", "", (), (None,), partial(topics, 1000, 20, 2, 0.2)),
)
"""Several of one name are forms of the same data: the first one whose files are there is read."""
