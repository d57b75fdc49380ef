"""Measures what checkpoints cost while training: python docs/measure_checkpoints.py [PRESET ...]

For each preset: seconds of a meta-step, seconds that `save` holds the training up, CPU-seconds of a whole checkpoint
with what goes on in the background, and both as shares of the time between two checkpoints at the preset's cadence.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from metarule.launch.caches._compilations import cache_compilations
from metarule.launch.options._presets import PRESETS
from metarule.launch.records._checkpoints import Checkpoints
from metarule.launch.training._experiment import Experiment
from metarule.launch.training._meta_training import MetaTraining, Progressed


cache_compilations()
for name in sys.argv[1:] or ["quick", "small"]:
    training = PRESETS[name]
    run = MetaTraining(Experiment.of(training, None))
    state = run.init()
    steps, held, spent = [], [], []

    def step(state, index):
        begun = time.perf_counter()
        meta, measured = run.learner.step(state.meta, run.key)
        float(measured["meta_loss"])
        steps.append(time.perf_counter() - begun)
        return Progressed(meta, state.best, state.best_loss)

    with tempfile.TemporaryDirectory() as folder, Checkpoints(Path(folder)) as checkpoints:
        for index in range(9):
            state = step(state, index)
            begun, cpu = time.perf_counter(), time.process_time()
            checkpoints.save(index, state, {})
            held.append(time.perf_counter() - begun)
            checkpoints.wait()
            spent.append(time.process_time() - cpu)
    median = lambda values: statistics.median(values[2:])
    between = training.checkpoint_every * median(steps)
    hold, take = median(held), median(spent)
    print(f"{name}: a meta-step {median(steps):.2f} s, {training.checkpoint_every} between two checkpoints")
    print(f"  training waits for {1000 * hold:.0f} ms, {hold / between:.2%} of the time between two")
    print(f"  {1000 * take:.0f} CPU-ms in all, {take / between:.2%} of that time on one core")
