"""Measures how meta-steps spread over processes on this machine: python docs/measure_scaling.py [COUNT ...]

Each process has one device, its own core where there are as many, and the same work: two tasks of the preset `quick`.
"Apart" are as many processes side by side that know nothing of each other: what the machine itself makes of them.
Efficiency is the time of a meta-step of one process alone over that of N, times the cores that N share. The share of
collectives is what process 0's profile says: the time that its device is inside of sums, waiting for others included.
"""

import glob
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import time


STEPS, TASKS = 12, 2


def work(index, count, port):
    """One process: prints seconds a meta-step and the share of collectives. Without a port it is on its own."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})
    import jax

    together = count if port else 1
    if together > 1:
        jax.distributed.initialize(f"localhost:{port}", count, index)
    import equinox as eqx
    import jax.random as jr
    import optax
    from metarule.launch.caches._compilations import cache_compilations
    from metarule.launch.options._presets import PRESETS
    from metarule.launch.options._problems import problems_of
    from metarule.meta import connect, Length, mesh_of, MetaLearner, replicate_to_mesh
    from metarule.meta.estimators import Population, TruncatedBackprop

    cache_compilations()
    training = PRESETS["quick"]
    problems, _ = problems_of(training, None)
    with jax.set_mesh(mesh_of(jax.devices())):
        connect()
        estimator = TruncatedBackprop(Population(TASKS * together), Length(20))
        learner = replicate_to_mesh(MetaLearner(problems, estimator, optax.adam(1e-3)))
        theta, key = replicate_to_mesh(training.rule.build(jr.key(0))), replicate_to_mesh(jr.key(1))
        state = eqx.filter_jit(learner.init)(theta, key)
        for _ in range(3):
            state, measured = learner.step(state, key)
            float(measured["meta_loss"])
        begun = time.perf_counter()
        for _ in range(STEPS):
            state, measured = learner.step(state, key)
            float(measured["meta_loss"])
        seconds = (time.perf_counter() - begun) / STEPS
        with tempfile.TemporaryDirectory() as folder:
            with jax.profiler.trace(folder):
                begun = time.perf_counter()
                for _ in range(5):
                    state, measured = learner.step(state, key)
                    float(measured["meta_loss"])
                spent = time.perf_counter() - begun
            share = collectives(folder) / spent
    if index == 0:
        print(json.dumps({"seconds": seconds, "share": share}))


def collectives(folder):
    """Seconds inside of sums over devices, by a profile."""
    (file,) = glob.glob(f"{folder}/**/*.trace.json.gz", recursive=True)
    with gzip.open(file) as content:
        events = json.load(content)["traceEvents"]
    names = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute")
    spans = [event for event in events if event.get("ph") == "X" and event["name"].startswith(names)]
    return sum(span["dur"] for span in spans) / 1e6


def run(count, port):
    """What process 0 of so many measures, while all of them run."""
    command = [sys.executable, __file__, "--process"]
    started = [
        subprocess.Popen([*command, str(i), str(count), str(port)], stdout=subprocess.PIPE, text=True)
        for i in range(count)
    ]
    outputs = [process.communicate()[0] for process in started]
    (said,) = [line for line in outputs[0].splitlines() if line.startswith("{")]  # Collectives print lines too.
    return json.loads(said)


def main(counts):
    cores, alone = len(os.sched_getaffinity(0)), None
    print("| processes | cores | s a meta-step | s, apart | efficiency | efficiency, apart | share of collectives |")
    print("|---|---|---|---|---|---|---|")
    for count in counts:
        with socket.socket() as found:
            found.bind(("localhost", 0))
            port = found.getsockname()[1]
        apart, together = run(count, 0), run(count, port)
        alone = alone or min(apart["seconds"], together["seconds"])  # The same program twice: the machine's best.
        used = min(count, cores)
        best, real = (alone * count / used / found["seconds"] for found in (apart, together))
        times = f"{together['seconds']:.3f} | {apart['seconds']:.3f}"
        print(f"| {count} | {used} | {times} | {real:.0%} | {best:.0%} | {together['share']:.1%} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--process"]:
        work(*map(int, sys.argv[2:]))
    else:
        main([int(count) for count in sys.argv[1:]] or [1, 2, 3, 4])
