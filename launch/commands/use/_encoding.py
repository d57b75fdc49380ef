import dataclasses
from pathlib import Path
from typing import Annotated, final, TYPE_CHECKING

import tyro

from ....errors import BadInput
from ....models import Mirroring
from ....tasks import Chosen, Examples, load_inputs, own_paths, Part
from ...encoders._trained_rule import TrainedRule
from ...options._recipes import recipe
from ...records._features_file import FeaturePart, write_features
from ...records._files import check_no_input
from ...records._rule_file import locate_rule


if TYPE_CHECKING:
    from ...features._unsupervised_encoder import UnsupervisedEncoder


RuleAndData = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RULE] DATA")]
"""What commands begin with that make features of data."""


@final
@dataclasses.dataclass(frozen=True)
class Encoding:
    """What to read of data, and how a base model is fitted to them: options of every command that makes features."""

    inputs: str | None = None
    """Name of the array of inputs in an .npz."""
    labels: str | None = None
    """Name of the labels: a column of a table, an array of an .npz, or an .npy beside an .npy."""
    drop: tuple[str, ...] = ()
    """Columns of a table to leave out."""
    steps: int | None = None
    """Inner steps, one batch each; by default as many as the rule was meta-trained for."""
    network: str | None = None
    """Layer widths of the base model, the last being the number of features, such as 64-64-32, or convolutions of
    images, such as conv5x5s2x32-3x3s2x64-quadrants; by default the rule's own."""
    activation: str | None = None
    """relu, leaky-relu, swish, tanh or step; by default the rule's own."""
    batch_size: int | None = None
    """Examples in a batch; by default the rule's own."""
    skip: int | None = None
    """Principal components of the inputs beside the base model's features, 0 for none; by default the rule's own
    number."""
    prototypes: int | None = None
    """Centroids of the inputs whose closeness stands beside them, 0 for none; by default the rule's own number."""
    memory: int | None = None
    """Anchors of the neighbourhood graph that is recalled, 0 for none; by default the rule's own number."""
    mirrored: Mirroring = "auto"
    """Whether images get the same features as their mirror images; `auto`: where both are as likely in the data. `no`
    where left and right make a difference."""
    seed: int = 0
    """Seed of the base model's initialisation, the order of its inputs, and the batches."""
    rule_class: str | None = None
    """MODULE:CLASS of your own, if the rule file holds a rule of that class: a file never imports code."""
    data_dir: Path | None = None
    """Folder with data sets; by default the environment variable METARULE_DATA."""

    def __post_init__(self):
        if not 0 <= self.seed < 2**32:
            raise BadInput(f"--seed must be from 0 to {2**32 - 1}; got {self.seed}.")

    @property
    def chosen(self) -> Chosen:
        """What is read of a file."""
        return Chosen(self.inputs, self.labels, self.drop)

    def read(self, data: str) -> tuple[tuple[Part, ...], bool]:
        """The examples of data by their name, and whether they are inputs already. Raises as `load_inputs` does."""
        return load_inputs(data, self.data_dir, self.chosen)

    def trained(self, path: Path) -> TrainedRule:
        """The rule in a file, with the base model, steps and sizes that were chosen."""
        like = None if self.rule_class is None else recipe(self.rule_class)
        rule = TrainedRule.of(path, self.network, self.activation, like)
        rule = rule.with_views(self.skip, self.prototypes, self.memory)
        return rule.with_batches(self.steps, self.batch_size)

    def fit(self, rule: TrainedRule, x: Examples, ready: bool) -> "UnsupervisedEncoder":
        """An encoder that this rule has fitted to examples, which are prepared unless they are `ready`."""
        from ...features._unsupervised_encoder import UnsupervisedEncoder  # Takes seconds to import.

        mirrored, seed = self.mirrored, self.seed
        return UnsupervisedEncoder(rule, mirrored=mirrored, standardise=not ready, random_state=seed).fit(x)


def located(rule_and_data: tuple[str, ...], chosen: Chosen, *outputs: Path | None) -> tuple[Path, str]:
    """The rule's file, of the default rule where none is named, and the name of the data.

    Raises `BadInput` where neither one nor two are given, for a rule that is not there, and where a file to write is
    the rule's, or one that the data are read from.
    """
    if not 1 <= len(rule_and_data) <= 2:
        raise BadInput(f"Give a rule (if not the default one) and data; got {len(rule_and_data)} arguments.")
    *rules, data = rule_and_data
    path = locate_rule(rules[0] if rules else "default")
    check_no_input([path, *own_paths(data, chosen)], outputs)
    return path, data


def write_encoded(out: Path, encoder: "UnsupervisedEncoder", parts: tuple[Part, ...]) -> str:
    """Writes an encoder's features of examples to a file, and returns a sentence about it."""
    made = [FeaturePart(part.name, encoder.transform(part.x), part.y, part.files) for part in parts]
    columns = encoder.preparation_.columns
    read = "" if columns is None or columns.texts else f"\nColumns were read as {columns.reading}."
    if read and parts[0].y is None:
        read += " No column was named as label (DATA:LABEL), so each is an input."
    return write_features(out, made, [str(name) for name in encoder.get_feature_names_out()]) + read
