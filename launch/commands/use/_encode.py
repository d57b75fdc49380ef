from pathlib import Path
from typing import Annotated

import tyro

from ...caches._compilations import cache_compilations
from ...options._parse import parse
from ...records._features_file import check_features_file
from ._encoding import Encoding, located, RuleAndData, write_encoded


def main(arguments: list[str]) -> int:
    """Runs `metarule encode` and returns its exit code."""
    return parse(encode, arguments, "encode")


def encode(
    rule_and_data: RuleAndData,
    /,
    out: Path,
    encoding: Annotated[Encoding, tyro.conf.arg(name="")] = Encoding(),
) -> int:
    """Fits a base model to unlabelled examples with a rule, and writes their features to a file.

    There is a row for each example, in the order of DATA, and its label if DATA has labels. Data that have a split of
    their own keep it: the base model is then fitted to the train examples only. Nothing else is split.

    Args:
        rule_and_data: RULE is a rule file, the folder of a run or the name of a shipped rule, by default `default`.
            DATA is a table (PATH.csv, PATH.tsv, PATH.parquet, with :LABEL if it has a label column), arrays (PATH.npz,
            PATH.npy), texts (PATH.jsonl), a folder of images (FOLDER, FOLDER@SIDE), or a data set as for `metarule
            evaluate`. An .npz has x, or x_train and x_test, and labels y or none. Images and labels, data and target
            are known, too; other names are given by --inputs and --labels.
        out: file to write: .csv or .parquet, a column for each feature; .npz with `features` and `y` (of a split,
            `features_train` and so on); .npy with the features alone. An existing file is replaced, but never an input.
    """
    cache_compilations()
    path, data = located(rule_and_data, encoding.chosen, out)
    check_features_file(out)
    parts, ready = encoding.read(data)
    print(write_encoded(out, encoding.fit(encoding.trained(path), parts[0].x, ready), parts))
    return 0
