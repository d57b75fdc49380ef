from ._digits import DigitsSource
from ._idx import IdxSource


_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_DIGITS = tuple(str(digit) for digit in range(10))
_CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

SOURCES = (
    DigitsSource("digits", "", (), (None, 14)),
    IdxSource("mnist", "mnist", _IDX_FILES, (14, 28), _DIGITS),
    IdxSource("fashion_mnist", "fashion_mnist", _IDX_FILES, (14, 28), _CLOTHES),
)
