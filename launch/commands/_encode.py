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
    """Runs `metarule encode`."""
    return tyro.cli(encode, args=arguments, prog="metarule encode")


def encode(
    rule_and_data: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RULE] DATA")],
    /,
    out: Path,
    steps: int | None = None,
    network: str | None = None,
    activation: str | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    rule_class: str | None = None,
    data_dir: Path | None = None,
) -> int:
    """Lets a rule fit a base model to unlabelled examples, and writes their features to an .npz.

    The file holds `features` [example, feature] in the order of DATA and, if DATA has labels, `y`. Where DATA has a
    split these are `features_train`, `y_train`, `features_test` and `y_test`, and only train examples are fitted to.

    Args:
        rule_and_data: a rule file, the folder of a run or the name of a rule that comes with Metarule, by default
            `default`; then PATH.npz with x, or x_train and x_test, labels y or not, or a data set as for `metarule
            evaluate`.
        out: file to write; another one of this name is replaced, but never DATA or RULE.
        steps: batches that the rule sees; by default as many as it was meta-trained for.
        network: layer widths of the base model, features last, such as 64-64-32; by default the rule's own.
        activation: relu, leaky-relu, swish, tanh or step; by default the rule's own.
        batch_size: examples in a batch; by default the rule's own.
        seed: decides the base model's start, the order of its inputs, and the batches.
        rule_class: MODULE:CLASS of your own that the rule file holds a rule of; a file never has code imported.
        data_dir: folder of data sets; also METARULE_DATA.
    """
    cache_compilations()
    if not 1 <= len(rule_and_data) <= 2:
        raise BadInput(f"Give a rule, if not the default one, and data; got {len(rule_and_data)} arguments.")
    *rules, data = rule_and_data
    path = locate_rule(rules[0] if rules else "default")
    if out.resolve() in {Path(each).resolve() for each in (data, data.rpartition(":")[0], path)}:
        raise BadInput(f"{out} is what is to be read: choose another --out.")
    if seed < 0:
        raise BadInput(f"--seed must be 0 or more; got {seed}.")
    parts = load_inputs(data, data_dir)
    # After what may be refused, because scikit-learn takes seconds to import.
    from ..encoders._unsupervised_encoder import UnsupervisedEncoder

    like = None if rule_class is None else recipe(rule_class)
    encoder = UnsupervisedEncoder(
        TrainedRule.of(path, network, activation, like),
        steps=steps,
        batch_size=batch_size,
        standardise=False,  # They are scaled already.
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
