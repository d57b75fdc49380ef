import io
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from ...errors import BadInput
from ...tasks import load_inputs
from ..caches._compilations import cache_compilations
from ..encoders._trained_rule import TrainedRule
from ..options._recipes import recipe
from ..records._files import write_atomically
from ..records._rule_file import locate_rule


def main(arguments: list[str]) -> int:
    """Runs `metarule encode` and returns its exit code."""
    return tyro.cli(encode, args=arguments, prog="metarule encode")


def encode(
    rule_and_data: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RULE] DATA")],
    /,
    out: Path,
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
    """Fits a base model to unlabelled examples with a rule, and writes the features to an .npz file.

    The file holds `features` [example, feature] in the order of DATA and, if DATA has labels, `y`. If DATA is split,
    the base model is fitted to the train examples only, and the file holds `features_train`, `y_train`,
    `features_test` and `y_test`.

    Args:
        rule_and_data: RULE is a rule file, the folder of a run or the name of a shipped rule, by default `default`.
            DATA is PATH.npz with x (or x_train and x_test) and optional labels y, or a data set as for `metarule
            evaluate`.
        out: file to write; an existing file is replaced, but never DATA or RULE.
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
    if out.resolve() in {Path(each).resolve() for each in (data, data.rpartition(":")[0], path)}:
        raise BadInput(f"{out} is an input: choose another --out.")
    if seed < 0:
        raise BadInput(f"--seed must be 0 or more; got {seed}.")
    parts = load_inputs(data, data_dir)
    # After all checks, because it takes seconds to import.
    from ..encoders._unsupervised_encoder import UnsupervisedEncoder

    like = None if rule_class is None else recipe(rule_class)
    encoder = UnsupervisedEncoder(
        TrainedRule.of(path, network, activation, like),
        steps=steps,
        batch_size=batch_size,
        skip=skip,
        memory=memory,
        image_shape=parts[0].image_shape,
        standardise=False,  # `load_inputs` has scaled the inputs.
        random_state=seed,
    ).fit(parts[0].x)
    arrays = {}
    for part in parts:
        suffix = f"_{part.name}" if part.name else ""
        arrays[f"features{suffix}"] = encoder.transform(part.x)
        if part.y is not None:
            arrays[f"y{suffix}"] = part.y
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_atomically(out, content.getvalue())
    print(f"Wrote {out}: " + ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items()) + ".")
    return 0
