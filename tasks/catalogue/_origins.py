from pathlib import Path
from typing import Any, final, NamedTuple

from ...errors import BadInput
from ._load import data_folder, find
from ._sources import SOURCES


@final
class Address(NamedTuple):
    """Where a file is published, where it belongs below the data folder, and the SHA-256 of what it holds."""

    url: str
    place: Path
    checksum: str


@final
class Origin(NamedTuple):
    """Where a data set comes from, in a sentence, the addresses of its files where they are known, and where the files
    belong."""

    sentence: str
    addresses: tuple[Address, ...]
    files: tuple[Path, ...]


_WORDS = {
    "digits": "Optical recognition of handwritten digits, from the UCI repository; its file comes with scikit-learn.",
    "mnist": "MNIST by LeCun, Cortes and Burges; its licence is not known here.",
    "fashion_mnist": "Fashion-MNIST by Zalando Research (arXiv 1708.07747), under the MIT licence.",
    "cifar10": "CIFAR-10 by Krizhevsky, Nair and Hinton; its licence is not known here.",
    "omniglot": "Omniglot by Lake, Salakhutdinov and Tenenbaum (Science 2015), under the MIT licence.",
    "imdb": "The Large Movie Review Dataset by Maas et al. (ACL 2011); its licence is not known here.",
    "pendigits": "Pen-based recognition of handwritten digits, from the UCI repository.",
    "adult": "Adult, from the UCI repository: the 30,162 rows in which nothing is missing.",
    "mr_polarity": "Sentences of movie reviews by Pang and Lee (2005).",
    "sst2": "The Stanford Sentiment Treebank, by Socher et al. (2013), in two classes.",
    "trec": "Questions of TREC in six classes, by Li and Roth (2002).",
}
"""What is said of a source."""

_REGISTERED = {name: name for name in ("mnist", "fashion_mnist", "cifar10", "omniglot")} | {"imdb": "imdb_reviews"}
"""Under which names tensorflow-datasets registers the addresses and checksums of the original files."""


def origin(name: str, data_dir: str | Path | None = None) -> Origin:
    """Where a data set that is known by name comes from. Addresses and checksums are those that tensorflow-datasets
    registers for the original files; TensorFlow is not needed. Raises `BadInput` as `load` does for an unknown name."""
    folder = data_folder(data_dir)
    found = find(name, folder)
    if found is None:
        raise BadInput(f"{name} is a folder of your own.")
    source = found[0]
    belong = source.paths(folder if folder is not None else Path("DATA_DIR"))
    registered = _addresses(source.name)
    for form in SOURCES:
        if form.name == source.name and form.files and set(form.files) <= set(registered):
            places = [(file, Path(form.folder) / file) for file in form.files]
            addresses = tuple(Address(registered[file][0], place, registered[file][1]) for file, place in places)
            return Origin(_WORDS[source.name], addresses, belong)
    words = "Made up: it is computed when it is asked for."
    if source.folder == "tables":
        words = "A table under the name that it has in the KEEL repository."
    if source.folder == "tiny_imagenet_32":
        words = "Images of Tiny ImageNet at 32 x 32 pixels, as JPEG."
    return Origin(_WORDS.get(source.name, words), (), belong)


def _addresses(name: str) -> dict[str, tuple[str, str]]:
    """The address and the checksum of each file."""
    if name not in _REGISTERED:
        return {}
    import tensorflow_datasets as tfds  # Takes a second.

    infos: Any = tfds.builder_cls(_REGISTERED[name]).url_infos
    return {url.rpartition("/")[2]: (url, info.checksum) for url, info in infos.items()}
