import dataclasses

from ..evaluation._rows import Row
from ..hosts._devices import Devices
from ..options._training import RunOptions, Training
from ..records._description import describe
from ..records._rule_file import read_header
from ..records._run_folder import RunFolder
from ..records._tables import read_rows
from ..training._meta_run import meta_run, MetaRun


def cell_run(training: Training, run: RunOptions, devices: Devices = Devices()) -> MetaRun:
    """Returns one run of a grid of runs, which `run.run` is the folder of.

    A new run is started, an interrupted one resumed, and a finished one read from its files. Raises `BadInput` as
    `meta_run` does, or if the folder holds a run with another configuration.
    """
    assert run.run is not None
    folder = RunFolder(run.run)
    if not folder.results.exists():
        return meta_run(training, dataclasses.replace(run, resume=folder.configuration.exists()), devices)
    folder = RunFolder.open(run.run, describe(training))
    _, record = read_header(folder.rule)
    return MetaRun(folder, training.steps, float(record.get("seconds") or 0), read_rows(folder.results, Row))
