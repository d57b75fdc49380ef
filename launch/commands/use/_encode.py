from pathlib import Path
from typing import Annotated

import tyro

from ....errors import BadInput
from ....tasks import Chosen, load_inputs, own_path
from ...caches._compilations import cache_compilations
from ...encoders._trained_rule import TrainedRule
from ...options._parse import parse
from ...options._recipes import recipe
from ...records._features_file import check_features_file, FeaturePart, write_features
from ...records._rule_file import locate_rule


def main(arguments: list[str]) -> int:
    """Runs `metarule encode` and returns its exit code."""
    return parse(encode, arguments, "encode")


def encode(
    rule_and_data: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RULE] DATA")],
    /,
    out: Path,
    inputs: str | None = None,
    labels: str | None = None,
    drop: tuple[str, ...] = (),
    steps: int | None = None,
    network: str | None = None,
    activation: str | None = None,
    batch_size: int | None = None,
    skip: int | None = None,
    memory: int | None = None,
    seed: int = 0,
    rule_class: str | None = None,
    data_dir: Path | None = None,
) -> int:
    """Fits a base model to unlabelled examples with a rule, and writes their features to a file.

    There is a row for each example, in the order of DATA, and its label if DATA has labels. Data that have a split of
    their own keep it: the base model is then fitted to the train examples only. Nothing else is split.

    Args:
        rule_and_data: RULE is a rule file, the folder of a run or the name of a shipped rule, by default `default`.
            DATA is a table (PATH.csv, PATH.parquet, with :LABEL where it has a label column), arrays (PATH.npz,
            PATH.npy), texts (PATH.jsonl), a folder of images (FOLDER, FOLDER@SIDE), or a data set as for `metarule
            evaluate`. An .npz has x, or x_train and x_test, and labels y or none; the names of other arrays are known
            (images and labels, data and target) or said.
        out: file to write: .csv or .parquet, a column for each feature; .npz with `features` and `y` (of a split,
            `features_train` and so on); .npy with the features alone. An existing file is replaced, but never an input.
        inputs: name of the array of inputs in an .npz.
        labels: name of the labels: a column of a table, an array of an .npz, or an .npy beside an .npy.
        drop: columns of a table to leave out.
        steps: inner steps, one batch each; by default as many as the rule was meta-trained for.
        network: layer widths of the base model, the last being the number of features, such as 64-64-32, or
            convolutions of images, such as conv5x5s2x32-3x3s2x64-quadrants; by default the rule's own.
        activation: relu, leaky-relu, swish, tanh or step; by default the rule's own.
        batch_size: examples in a batch; by default the rule's own.
        skip: principal components of the inputs beside the base model's features, 0 for none; by default the rule's own
            number.
        memory: anchors of the neighbourhood graph that is recalled, 0 for none; by default the rule's own number.
        seed: seed of the base model's initialisation, the order of its inputs, and the batches.
        rule_class: MODULE:CLASS of your own, if the rule file holds a rule of that class: a file never imports code.
        data_dir: folder with data sets; by default the environment variable METARULE_DATA.
    """
    cache_compilations()
    if not 1 <= len(rule_and_data) <= 2:
        raise BadInput(f"Give a rule (if not the default one) and data; got {len(rule_and_data)} arguments.")
    *rules, data = rule_and_data
    path = locate_rule(rules[0] if rules else "default")
    if out.resolve() in {Path(each).resolve() for each in (data, own_path(data), path)}:
        raise BadInput(f"{out} is an input: choose another --out.")
    check_features_file(out)
    if seed < 0:
        raise BadInput(f"--seed must be 0 or more; got {seed}.")
    parts, ready = load_inputs(data, data_dir, Chosen(inputs, labels, drop))
    # After all checks, because it takes seconds to import.
    from ...encoders._unsupervised_encoder import UnsupervisedEncoder

    like = None if rule_class is None else recipe(rule_class)
    encoder = UnsupervisedEncoder(
        TrainedRule.of(path, network, activation, like),
        steps=steps,
        batch_size=batch_size,
        skip=skip,
        memory=memory,
        standardise=not ready,
        random_state=seed,
    ).fit(parts[0].x)
    made = [FeaturePart(part.name, encoder.transform(part.x), part.y) for part in parts]
    print(write_features(out, made, [str(name) for name in encoder.get_feature_names_out()]))
    return 0
