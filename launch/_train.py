from ._configuration import parse_training, Run
from ._meta_run import meta_run
from ._presets import PRESETS, with_estimator
from ._start import cache_compilations
from ._table import print_table


def main(arguments: list[str]) -> int:
    """Runs `metarule train`."""
    preset, training, run = parse_training(arguments, PRESETS, with_estimator, Run())
    cache_compilations()
    finished = meta_run(preset, training, run)
    path = finished.folder.path
    if finished.rows is None:
        print(f"Stopped at step {finished.step} and saved: go on with --run {path} --resume.")
        return 0
    print_table(finished.rows, f"Accuracy with {training.labels} labels per class", json_file=run.json)
    rule, seconds = finished.folder.rule, round(finished.seconds)
    print(f"The rule is {rule}, meta-trained in {seconds} s; try `metarule evaluate {path}`.")
    return 0
