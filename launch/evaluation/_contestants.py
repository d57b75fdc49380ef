import dataclasses
from collections.abc import Callable, Sequence
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Int

from ...errors import BadInput
from ...models import MultiLayerPerceptron
from ...rules import AbstractRule, KrotovHopfield, Oja, Sanger, SoftHebb
from ..encoders._encoder import AbstractEncoder
from ..encoders._fan_in import FanIn
from ..encoders._fitted import Fitted
from ..encoders._k_means import KMeans
from ..encoders._pca import PCA
from ..encoders._raw import Raw
from ..encoders._supervised import Supervised
from ..encoders._vae import VAE
from ..options._names import choose, own
from ._protocol import Protocol


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

    def learned(self, rule: AbstractRule) -> tuple[AbstractEncoder, ...]:
        """The base model trained by a rule from the model's own initial weights, after each of the numbers of steps."""
        return tuple(self.protocol.fitted(rule, steps) for steps in self.steps)

    def local(self, rule: AbstractRule, steps: int, gain: float = 1.0) -> tuple[AbstractEncoder, ...]:
        """The base model trained by a hand-made rule, after each of the numbers of steps or after the rule's own."""
        start, statistics = FanIn(self.perceptron, gain), self.protocol.statistics
        counts = [jnp.asarray(count) for count in self.steps] if self.same_steps else [self.part(steps)]
        return tuple(Fitted(rule, start, count, 100, statistics) for count in counts)

    def part(self, steps: int) -> Int[Array, ""]:
        """The number of steps that a baseline gets of its usual number."""
        return jnp.asarray(max(1, round(self.budget * steps)))

    @property
    def perceptron(self) -> MultiLayerPerceptron:
        """The base model's architecture, for baselines that train perceptrons. Raises `BadInput` for another one."""
        architecture = self.protocol.architecture
        if not isinstance(architecture, MultiLayerPerceptron):
            raise BadInput("Baselines that train a base model train perceptrons only: leave them out for other models.")
        return architecture

    @property
    def features(self) -> int:
        """Number of features of the base model, and so of every encoder except raw inputs."""
        return self.protocol.architecture.features


ENCODERS: dict[str, Callable[[Comparators], tuple[AbstractEncoder, ...]]] = {
    "meta-trained": lambda comparators: comparators.learned(comparators.trained),
    "untrained": lambda comparators: comparators.learned(comparators.untrained),
    "random-init": lambda comparators: (comparators.protocol.fitted(comparators.untrained, 0),),
    "raw": lambda comparators: (Raw(),),
    "pca": lambda comparators: (PCA(comparators.features),),
    "supervised": lambda comparators: (
        Supervised(FanIn(comparators.perceptron), comparators.part(300), statistics=comparators.protocol.statistics),
    ),
    "vae": lambda comparators: (
        VAE(FanIn(comparators.perceptron), comparators.part(3000), statistics=comparators.protocol.statistics),
    ),
    "kmeans": lambda comparators: (KMeans(comparators.features, comparators.part(25)),),
    "oja": lambda comparators: comparators.local(Oja(), 1000),
    "sanger": lambda comparators: comparators.local(Sanger(), 1000),
    "soft-hebb": lambda comparators: comparators.local(SoftHebb(), 1000, gain=1.5),
    "krotov-hopfield": lambda comparators: comparators.local(KrotovHopfield(), 1000),
}
"""The encoders that a table can hold, by name.

Numbers of steps, step sizes and the constants of the hand-made rules were tuned on embedded data alone: by the mean
accuracy of both readouts on validation characters and shapes of `tasks.embedded(14)`, 5 labels per class, 3 seeds,
network 64-64-64-64-32, 6 to 17 settings of each. No data set of an evaluation was looked at.
"""

LEARNED = ("meta-trained", "untrained", "random-init")
"""The rule, and the two encoders that it equals if it has learned nothing."""


def encoders_of(names: Sequence[str], comparators: Comparators) -> list[tuple[str, AbstractEncoder]]:
    """Encoders under their names, one for each number of steps; a name may be `MODULE:CLASS` of the user's own.

    Raises `BadInput` for an unknown name.
    """

    def made(name: str) -> tuple[AbstractEncoder, ...]:
        if ":" in name:
            return (own(name, "encoder", AbstractEncoder),)
        return choose(name, ENCODERS, "encoder", "MODULE:CLASS")(comparators)

    return [(name, encoder) for name in names for encoder in made(name)]
