"""The files in launch/pods are what their services take, as far as that shows without the services."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import tyro
import yaml
from metarule.launch.__main__ import main
from metarule.launch.hosts._distributed import DistributedOptions


PODS = Path(__file__).parents[1] / "launch" / "pods"
FILES = sorted(PODS.iterdir())


def shell(text, tmp_path):
    """Has shellcheck, or else the shell itself, read a script."""
    script = tmp_path / "script.sh"
    script.write_text(text)
    checker = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    command = [checker, "--severity=style", str(script)] if checker else ["bash", "-n", str(script)]
    end = subprocess.run(command, capture_output=True, text=True)
    assert end.returncode == 0, end.stdout + end.stderr


def read(name):
    return yaml.safe_load((PODS / name).read_text())


def exactly(value, required, optional=()):
    assert set(required) <= set(value) <= {*required, *optional}, sorted(value)


def test_all_are_there():
    assert [file.name for file in FILES] == ["kubernetes.yaml", "skypilot.yaml", "slurm.sh", "tpu.sh"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_says_what_it_needs_and_trains_by_the_same_command(file):
    text = file.read_text()
    assert re.search(r"^# Needs: ", text, re.M)
    (line,) = re.findall(r"metarule\"? train .*?(?:\n\s*\n|\Z|\n\s{14}\S)", text, re.S)
    words = line.replace("\\\n", " ").split()
    assert words[2] == "--distributed" and "--run" in words
    known = {f"--{field.replace('_', '-')}" for field in DistributedOptions.__dataclass_fields__} | {
        "--run",
        "--preset",
    }
    assert {word for word in words if re.fullmatch(r"--[a-z-]+", word)} <= known | {"--resume"}


@pytest.mark.parametrize("name", ["slurm.sh", "tpu.sh"])
def test_scripts(name, tmp_path):
    assert os.access(PODS / name, os.X_OK)
    shell((PODS / name).read_text(), tmp_path)


def test_slurm_options_are_those_of_sbatch():
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", (PODS / "slurm.sh").read_text(), re.M))
    assert int(options["ntasks-per-node"]) == int(options["gpus-per-node"])
    assert re.fullmatch(r"\d+:\d\d:\d\d", options["time"]) and "requeue" in options
    known = "job-name nodes ntasks-per-node gpus-per-node cpus-per-task time requeue open-mode output signal".split()
    assert set(options) <= set(known)


def test_kubernetes(tmp_path):
    """By the fields of JobSet v1alpha2 and of Job and Pod v1."""
    found = read("kubernetes.yaml")
    exactly(found, ("apiVersion", "kind", "metadata", "spec"))
    assert (found["apiVersion"], found["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    exactly(found["spec"], ("replicatedJobs",), ("network", "failurePolicy", "successPolicy"))
    assert isinstance(found["spec"]["failurePolicy"]["maxRestarts"], int)
    (job,) = found["spec"]["replicatedJobs"]
    exactly(job, ("name", "template"), ("replicas",))
    spec = job["template"]["spec"]
    exactly(spec, ("template",), ("completionMode", "completions", "parallelism", "backoffLimit"))
    assert spec["completionMode"] == "Indexed" and spec["completions"] == spec["parallelism"]
    pod = spec["template"]["spec"]
    exactly(pod, ("containers", "restartPolicy"), ("terminationGracePeriodSeconds", "volumes"))
    (container,) = pod["containers"]
    exactly(container, ("name", "image"), ("ports", "resources", "volumeMounts", "command"))
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    *_, script = container["command"]
    shell("#!/usr/bin/env bash\n" + script, tmp_path)
    host, port = re.search(r"--coordinator (\S+):(\d+)", script).groups()
    assert int(port) == container["ports"][0]["containerPort"]
    name = found["metadata"]["name"]
    assert host == f"{name}-{job['name']}-0-0.{name}" and f"--processes {spec['completions']} " in script


def test_kubernetes_would_take_the_job_and_its_pods():
    """By the public schemas of Kubernetes, which are strict here: an unknown field is an error."""
    for replicated in read("kubernetes.yaml")["spec"]["replicatedJobs"]:
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "one"}, **replicated["template"]}
        kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
        job["spec"]["template"]["spec"]["containers"][0]["imagee"] = "misspelt"
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)


def test_skypilot(tmp_path):
    found = read("skypilot.yaml")
    exactly(found, ("run",), ("name", "num_nodes", "workdir", "resources", "file_mounts", "setup", "envs"))
    exactly(found["resources"], (), ("accelerators", "use_spot", "cloud", "disk_size"))
    assert found["num_nodes"] > 1
    for part in ("setup", "run"):
        shell("#!/usr/bin/env bash\n" + found[part], tmp_path)
    names = set(re.findall(r"\$\{?(SKYPILOT_\w+)", found["run"]))
    assert names == {"SKYPILOT_NODE_IPS", "SKYPILOT_NUM_NODES", "SKYPILOT_NODE_RANK"}


def test_pod_check_of_one_host(capsys):
    assert main(["pod-check", "--megabytes", "0.1"]) == 0
    assert "All 1 devices of 1 processes sum rightly." in capsys.readouterr().out
    assert main(["pod-check", "--megabytes", "-1"]) == 2


def test_pod_check_of_several_processes(processes):
    check = ["-m", "metarule.launch", "pod-check", "--distributed", "--megabytes", "0.1", "--processes", "2"]
    connect = ["--coordinator", f"localhost:{processes.free_port()}", "--process-id"]
    with processes.started([[*check, *connect, str(index)] for index in range(2)], devices=2) as started:
        (first, (out, errors)), (second, (other, _)) = processes.finished(started, 120)
    assert first == second == 0, errors
    assert "All 4 devices of 2 processes sum rightly." in out and "sum rightly" not in other


def test_the_command_line_of_machines():
    assert DistributedOptions.of("--preset quick --distributed --processes=3 --help".split()) == DistributedOptions(
        True, None, 3
    )
    assert tyro.cli(DistributedOptions, args=[]) == DistributedOptions()
