"""`metarule train` in several processes: killed, stopped, gone on with, and badly asked for."""

import json
import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from metarule.errors import BadInput
from metarule.launch.hosts._distributed import DistributedOptions
from metarule.launch.hosts._processes import Processes


SIZES = (
    "--rule.hidden 4 --rule.signal 2 --rule.readout 1 --networks 4 --ways 3 --shots 2 --batch-sizes 6 --averaging 0.5 "
    "--sources glyphs --augmentation none --estimator.population.tasks 4 --estimator.window.low 2 --horizon.low 4 "
    "--steps 12 --checkpoint-every 2 --validate-every 100 --evaluation-steps 3 --labels 2 --seeds 2 --optimiser sgd "
    "--learning-rate 0.05 --held-out"
).split()


def commands(processes, folder, count, *options):
    """`metarule train` for each of so many processes."""
    train = ["-m", "metarule.launch", "train", *SIZES, "--run", str(folder), *options]
    if count == 1:
        return [train]
    connect = ["--distributed", "--coordinator", f"localhost:{processes.free_port()}", "--processes", str(count)]
    return [[*train, *connect, "--process-id", str(index)] for index in range(count)]


def train(processes, folder, count, *options, devices=1):
    """Trains to the end: what every process said."""
    with processes.started(commands(processes, folder, count, *options), devices) as started:
        ends = processes.finished(started, 900)
    assert all(code == 0 for code, _ in ends), ends
    return [said for _, said in ends]


def rule(folder):
    found = safetensors.numpy.load_file(folder / "rule.safetensors")
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in found.items()}


def distance(one, other):
    one, other = (safetensors.numpy.load_file(folder / "rule.safetensors") for folder in (one, other))
    return max(np.abs(one[name] - other[name]).max() for name in one if one[name].dtype.kind == "f")


def lines(folder):
    try:
        return (folder / "metrics.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def reached(processes, folder, step):
    """Waits until so many steps are written."""
    deadline = time.monotonic() + 600
    while lines(folder) < step:
        assert all(process.poll() is None for process in processes) and time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(scope="module")
def whole(processes, tmp_path_factory):
    """A run of two processes that nobody disturbed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    said = train(processes, folder, 2)
    assert "The work is shared by 2 devices of 2 processes" in said[0][0] and "step 12/12" in said[0][0]
    assert "step 12/12" not in said[1][0] and "The rule is" not in said[1][0]  # One process speaks.
    return folder


def killed(processes, folder, step, victim, *options):
    """Kills one process at a step: what became of the other, and how long that took."""
    with processes.started(commands(processes, folder, 2, *options)) as started:
        reached(started, folder, step)
        time.sleep(random.Random(step).random() / 10)
        started[victim].kill()
        begun = time.monotonic()
        out, errors = started[1 - victim].communicate(timeout=120)
        return started[1 - victim].returncode, errors, time.monotonic() - begun


@pytest.mark.slow
def test_each_host_writes_a_file_of_its_own(whole):
    assert sorted(os.listdir(whole / "hosts")) == ["0.jsonl", "1.jsonl"]
    for file in (whole / "hosts").iterdir():
        found = [json.loads(line) for line in file.read_text().splitlines()]
        assert [line["step"] for line in found] == list(range(1, 13))
        assert all(line["step_seconds"] > 0 for line in found)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_others_and_a_resume_loses_nothing(processes, whole, tmp_path, victim):
    code, errors, seconds = killed(processes, tmp_path, 5, victim)
    assert code == 1 and seconds < 60
    said = errors.partition("metarule: ")[2].splitlines()[0]  # Threads of gRPC write to the same stream.
    assert said.startswith("Another process of this run was lost") and "--resume" in said
    train(processes, tmp_path, 2, "--resume")
    assert rule(tmp_path) == rule(whole)


@pytest.mark.slow
def test_ten_kills_in_a_row(processes, tmp_path):
    longer, choose = ("--steps", "60"), random.Random(0)
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    train(processes, whole, 2, *longer)
    for kill in range(10):
        step = lines(folder) + choose.randrange(1, 4)  # One that nobody has written yet.
        resume = ["--resume"] * bool(kill)
        code, errors, seconds = killed(processes, folder, step, choose.randrange(2), *longer, *resume)
        assert code == 1 and "Another process of this run was lost" in errors and seconds < 60, errors
        print(f"kill {kill} at step {step}: the other ended after {seconds:.1f} s")
    train(processes, folder, 2, *longer, "--resume")
    assert rule(folder) == rule(whole)


@pytest.mark.slow
@pytest.mark.parametrize("told", [1, 0])
def test_all_stop_when_one_is_told_to(processes, whole, tmp_path, told):
    with processes.started(commands(processes, tmp_path, 2)) as started:
        reached(started, tmp_path, 3)
        started[told].send_signal(signal.SIGTERM)
        ends = processes.finished(started, 300)
    assert [code for code, _ in ends] == [0, 0], ends
    assert "and saved: go on with" in ends[0][1][0]
    train(processes, tmp_path, 2, "--resume")
    assert rule(tmp_path) == rule(whole)


@pytest.mark.slow
def test_what_two_processes_saved_and_somebody_damaged_is_believed_by_neither(processes, tmp_path):
    program, port = str(Path(__file__).parent / "program_checkpoints.py"), str(processes.free_port())
    with processes.started([[program, str(tmp_path), str(index), port] for index in range(2)]) as started:
        (first, (out, errors)), (second, (other, _)) = processes.finished(started, 300)
    assert first == second == 0, errors
    truncated, flipped = found = re.findall(r"^(truncated|flipped) (\d+)$", out, re.M)
    assert re.findall(r"^(truncated|flipped) (\d+)$", other, re.M) == found  # They never disagree.
    assert int(truncated[1]) >= 3 and int(flipped[1]) >= 3


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_devices(processes, whole, tmp_path):
    """Saved by two processes of two devices; gone on with by one process of two, and of one."""
    begun = tmp_path / "begun"
    train(processes, begun, 2, "--steps", "6", devices=2)
    for devices in (2, 1):
        folder = tmp_path / str(devices)
        shutil.copytree(begun, folder)
        ((out, _),) = train(processes, folder, 1, "--resume", devices=devices)
        assert ("The work is shared by 2 devices of 2." in out) == (devices == 2)
        assert distance(folder, whole) < 1e-4
    with processes.started(commands(processes, begun, 1, "--resume", "--steps", "8", "--devices", "3"), 3) as started:
        ((code, (_, errors)),) = processes.finished(started)
    assert code == 2 and "4 tasks can't be shared evenly by 3 devices" in errors


@pytest.mark.parametrize(
    "options, said",
    [
        ((["--seed", "1"], ["--seed", "0"]), "differs from process 0 in the setting seed: it has 0, not 1"),
        ((["--held-out", "{0}"], ["--held-out", "{1}"]), "Process 1 differs from process 0 in the data"),
        ((["--data-dir", "."], ["--held-out", "mnist14"]), "Process 1 differs from process 0 in the setting held_out"),
    ],
    ids=["configuration", "data", "what is scored"],
)
@pytest.mark.slow
def test_processes_that_are_not_alike(processes, tmp_path, options, said):
    for index in range(2):
        (tmp_path / str(index)).mkdir()
        np.savez(tmp_path / str(index) / "data.npz", x=np.eye(60, k=index, dtype=np.float32), y=np.arange(60) % 2)
    both = commands(processes, tmp_path / "run", 2)
    for index, (command, more) in enumerate(zip(both, options)):
        command += [each.format("data.npz", "data.npz") for each in more]
    with processes.started(both, places=[tmp_path / "0", tmp_path / "1"]) as started:
        ends = processes.finished(started, 300)
    for code, (_, errors) in ends:
        assert code == 2 and said in errors and errors.count("metarule: ") == 1, errors
    assert not (tmp_path / "run").exists()


def test_a_coordinator_that_is_not_there(processes):
    connect = f"--distributed --coordinator localhost:{processes.free_port()} --processes 2 --patience 3".split()
    train = ["-m", "metarule.launch", "train", *connect, "--process-id"]
    address = connect[2]
    with processes.started([[*train, "1"]]) as started:
        ((code, (_, errors)),) = processes.finished(started, 100)
    assert code == 2 and f"Process 1 could not join 2 processes at {address} within 3 s" in errors
    with processes.started([[*train, "0"]]) as started:
        ((code, (_, errors)),) = processes.finished(started, 100)
    assert code == 2 and f"Not 2 processes came to {address} within 3 s" in errors


@pytest.mark.parametrize(
    "distribution, said",
    [
        (DistributedOptions(coordinator="here:1"), "--coordinator is for several processes: add --distributed"),
        (DistributedOptions(True, "here", 2, 0), "--coordinator is HOST:PORT"),
        (DistributedOptions(True, "here:1", 2, 2), "--process-id counts from 0 and must be below --processes 2; got 2"),
        (DistributedOptions(True, "here:1", 0, 0), "--processes must be 1 or more"),
        (DistributedOptions(True, "here:1", 2, 0, devices=2), "leave --devices out"),
    ],
)
def test_machines_that_can_not_be(distribution, said):
    with pytest.raises(BadInput, match=said):
        distribution.join()


def test_one_process_is_alone():
    processes = Processes()
    assert processes.first and processes.once(lambda: 3) == 3 and processes.together(lambda: 4) == 4
    processes.agree({"anything": 1})


def test_what_hangs_is_ended_with_a_sentence(processes):
    program = "import time; from metarule.launch.hosts._watchdog import Watchdog as W\nw = W('gone')\n"
    program += "with w.within(0.5, ('It hangs.', 1)): time.sleep(60)"
    with processes.started([["-c", program]]) as started:
        ((code, (_, errors)),) = processes.finished(started, 30)
    assert (code, errors) == (1, "metarule: It hangs.\n")
