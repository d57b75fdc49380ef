import dataclasses
from collections.abc import Callable, Sequence
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Int

from ...errors import BadInput
from ...models import (
    AbstractArchitecture,
    AbstractImageArchitecture,
    Convolutional,
    MultiLayerPerceptron,
    Transformer,
    Window,
)
from ...rules import AbstractRule, KrotovHopfield, Oja, Sanger, SoftHebb
from ..encoders._autoencoders import Denoising, VAE
from ..encoders._encoder import AbstractEncoder, AbstractHostEncoder
from ..encoders._fan_in import FanIn, Scalable
from ..encoders._fitted import Fitted
from ..encoders._k_means import KMeans
from ..encoders._neighbours import LabelSpreading, Neighbours
from ..encoders._patches import channels_of, PatchKMeans, PatchPCA
from ..encoders._pca import PCA
from ..encoders._raw import Raw
from ..encoders._scarf import SCARF
from ..encoders._supervised import Supervised
from ..encoders._transformed import LatentSemantics, UMAP
from ..options._names import choose, own
from ._features import Encoder, Joined
from ._protocol import Protocol


_TRAINED: dict[str, tuple[type[Scalable], ...]] = {
    "supervised": (MultiLayerPerceptron, Convolutional, Transformer),
    "denoising": (MultiLayerPerceptron, Convolutional),
}
"""The base models that these baselines train; others train perceptrons alone."""


@final
@dataclasses.dataclass(frozen=True)
class Comparators:
    """What the encoders of a table are made from: a rule before and after meta-training, and settings of baselines.

    `steps` are the numbers of inner steps after which the rule is scored. With `same_steps` the hand-made rules are
    scored after the same numbers, otherwise after their own. `budget` is the share of its usual steps that a baseline
    gets.
    """

    protocol: Protocol
    trained: AbstractRule
    untrained: AbstractRule
    steps: tuple[int, ...]
    same_steps: bool = False
    budget: float = 1.0
    baselines: AbstractArchitecture | None = None
    """The base model that baselines train and take their number of features from; by default the rule's, which the
    protocol has."""

    def learned(self, rule: AbstractRule) -> tuple[AbstractEncoder, ...]:
        """The base model trained by a rule from the model's own initial weights, after each of the numbers of steps."""
        return tuple(self.protocol.fitted(rule, steps) for steps in self.steps)

    def local(self, rule: AbstractRule, steps: int, gain: float = 1.0) -> tuple[AbstractEncoder, ...]:
        """The base model trained by a hand-made rule, after each of the numbers of steps or after the rule's own."""
        start, statistics = self.start(gain=gain), self.protocol.statistics
        counts = [jnp.asarray(count) for count in self.steps] if self.same_steps else [self.part(steps)]
        return tuple(Fitted(rule, start, count, 100, statistics) for count in counts)

    def part(self, steps: int) -> Int[Array, ""]:
        """The number of steps that a baseline gets of its usual number."""
        return jnp.asarray(max(1, round(self.budget * steps)))

    def start(self, baseline: str = "", gain: float = 1.0) -> FanIn:
        """The base model as the named baseline begins to train it. Raises `BadInput` for one that it does not train."""
        if not isinstance(self._architecture, _TRAINED.get(baseline, (MultiLayerPerceptron,))):
            raise BadInput(
                "Baselines that train a base model train perceptrons only, but for supervised, which trains "
                "convolutions and transformers too, and denoising, which trains convolutions: leave out the others."
            )
        return FanIn(self._architecture, gain)

    @property
    def window(self) -> Window | None:
        """Where encoders of patches take them: as the first convolution of the base model, if baselines have any."""
        return self._architecture.window if isinstance(self._architecture, Convolutional) else None

    @property
    def features(self) -> int:
        """Number of features of the baselines' base model, and so of every baseline but raw inputs."""
        return self._architecture.features

    @property
    def _architecture(self) -> AbstractArchitecture:
        return self.protocol.architecture if self.baselines is None else self.baselines


def _patch_k_means(comparators: Comparators, features: int, whitened: bool) -> PatchKMeans:
    window = comparators.window
    return PatchKMeans(window, channels_of(window, features), whitened, comparators.part(25))


SIZED: dict[str, Callable[[Comparators, int], AbstractEncoder | AbstractHostEncoder]] = {
    "pca": lambda comparators, size: PCA((size,)),
    "kmeans": lambda comparators, size: KMeans(size, comparators.part(25)),
    "umap": lambda comparators, size: UMAP(size),
    "tfidf-svd": lambda comparators, size: LatentSemantics(size),
    "patch-kmeans": lambda comparators, size: _patch_k_means(comparators, size, False),
    "patch-kmeans-whitened": lambda comparators, size: _patch_k_means(comparators, size, True),
    "patch-pca": lambda comparators, size: PatchPCA(comparators.window, channels_of(comparators.window, size, 2) // 2),
}
"""The encoders whose number of features can be named: `NAME-SIZE`, such as `kmeans-256`."""

ENCODERS: dict[str, Callable[[Comparators], tuple[AbstractEncoder | AbstractHostEncoder, ...]]] = {
    "meta-trained": lambda comparators: comparators.learned(comparators.trained),
    "untrained": lambda comparators: comparators.learned(comparators.untrained),
    "random-init": lambda comparators: (comparators.protocol.fitted(comparators.untrained, 0),),
    "raw": lambda comparators: (Raw(),),
    "pca": lambda comparators: (PCA((5, 10, 20, 32, 64)),),
    "kmeans": lambda comparators: (SIZED["kmeans"](comparators, comparators.features),),
    "neighbours": lambda comparators: (Neighbours(),),
    "label-spreading": lambda comparators: (LabelSpreading(),),
    "supervised": lambda comparators: (
        Supervised(comparators.start("supervised"), comparators.part(300), statistics=comparators.protocol.statistics),
    ),
    "vae": lambda comparators: (
        VAE(comparators.start(), comparators.part(3000), statistics=comparators.protocol.statistics),
    ),
    "denoising": lambda comparators: (
        Denoising(comparators.start("denoising"), comparators.part(1000), statistics=comparators.protocol.statistics),
    ),
    "scarf": lambda comparators: (
        SCARF(comparators.start(), comparators.part(1000), statistics=comparators.protocol.statistics),
    ),
    "oja": lambda comparators: comparators.local(Oja(), 1000),
    "sanger": lambda comparators: comparators.local(Sanger(), 1000),
    "soft-hebb": lambda comparators: comparators.local(SoftHebb(), 1000, gain=1.5),
    "krotov-hopfield": lambda comparators: comparators.local(KrotovHopfield(), 1000),
    "umap": lambda comparators: (SIZED["umap"](comparators, comparators.features),),
    "tfidf-svd": lambda comparators: (SIZED["tfidf-svd"](comparators, comparators.features),),
    "patch-kmeans": lambda comparators: (SIZED["patch-kmeans"](comparators, comparators.features),),
    "patch-kmeans-whitened": lambda comparators: (SIZED["patch-kmeans-whitened"](comparators, comparators.features),),
    # Of an odd number of channels, one feature more in each cell.
    "patch-pca": lambda comparators: (
        PatchPCA(comparators.window, -(-channels_of(comparators.window, comparators.features) // 2)),
    ),
}
"""The encoders that a table can hold, by name.

Numbers of steps, step sizes and the constants of the hand-made rules were tuned on embedded data alone: by the mean
accuracy of both readouts on validation characters and shapes of `tasks.embedded(14)`, 5 labels per class, 3 seeds,
network 64-64-64-64-32, 6 to 17 settings of each. No data set of an evaluation was looked at.
"""

_OF_PATCHES = ("patch-kmeans", "patch-kmeans-whitened", "patch-pca")

USUAL = tuple(name for name in ENCODERS if name not in ("umap", "tfidf-svd", *_OF_PATCHES))
"""The encoders of a table unless others are named: those that suit any data and take no minutes to fit."""

_USUAL_OF_IMAGES = ("meta-trained", "untrained", "random-init", "raw", "pca", "kmeans", *_TRAINED, *_OF_PATCHES)
"""The same for base models that see images, but for baselines that don't train this one."""


def usual(architecture: AbstractArchitecture) -> tuple[str, ...]:
    """The encoders of a table with this base model, unless others are named."""
    if not isinstance(architecture, AbstractImageArchitecture):
        return USUAL
    suits = lambda name: name not in _TRAINED or isinstance(architecture, _TRAINED[name])
    return tuple(name for name in _USUAL_OF_IMAGES if suits(name))


LEARNED = ("meta-trained", "untrained", "random-init")
"""The rule, and the two encoders that it equals if it has learned nothing."""

OPPONENTS = ("raw", "kmeans")
"""What costs no meta-training, and stands beside the rule in every table and figure."""


def encoders_of(names: Sequence[str], comparators: Comparators) -> list[tuple[str, Encoder]]:
    """Encoders under their names, one for each number of steps.

    A name is one of `ENCODERS`, one of `SIZED` with a number of features (`kmeans-256`), `MODULE:CLASS` of the user's
    own, or several of these joined by `+`, whose features are set side by side (`kmeans-256+pca`). Raises `BadInput`
    for any other.
    """
    return [(name, encoder) for name in names for encoder in _named(name, comparators)]


def _named(name: str, comparators: Comparators) -> tuple[Encoder, ...]:
    parts = [_alone(part, comparators) for part in name.split("+")]
    if len(parts) == 1:
        return parts[0]
    count = max(len(part) for part in parts)  # One for each number of steps, or one alone, which goes with all of them.
    return tuple(Joined(tuple(part[index % len(part)] for part in parts)) for index in range(count))


def _alone(name: str, comparators: Comparators) -> tuple[AbstractEncoder | AbstractHostEncoder, ...]:
    if ":" in name:
        return (own(name, "encoder", AbstractEncoder, AbstractHostEncoder),)
    base, _, size = name.rpartition("-")
    if size.isdecimal() and int(size) and base in ENCODERS:
        return (choose(base, SIZED, "encoder with a number of features")(comparators, int(size)),)
    return choose(name, ENCODERS, "encoder", "NAME-SIZE", "NAME+NAME", "MODULE:CLASS")(comparators)
