"""What a run does when meta-gradients fail or its clock jumps, and what watching it shows."""

import logging
import math
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.figures._terminal import sparkline
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records import _checkpoints, _fingerprint, _metrics
from metarule.launch.records._metrics import read_metrics
from metarule.launch.records._rule_file import save_rule
from metarule.launch.records._run_folder import RunFolder
from metarule.launch.training._divergence import DivergenceGuard
from metarule.meta import MetaLearner


SIZES = (
    "--rule.hidden 4 --rule.signal 2 --rule.readout 1 --networks 4 --ways 3 --shots 2 --batch-sizes 6 --averaging 0.5 "
    "--sources glyphs --augmentation none --estimator.population.tasks 2 --estimator.window.low 2 --horizon.low 4 "
    "--steps 20 --checkpoint-every 2 --validate-every 100 --evaluation-steps 3 --labels 2 --seeds 2 --held-out"
).split()


def train(folder, *options):
    return main(["train", *SIZES, "--run", str(folder), *options])


GOOD, BAD = {"meta_loss": 1.0, "gradient_norm": 2.0}, {"meta_loss": math.inf, "gradient_norm": 0.0}


def test_setbacks():
    guard = DivergenceGuard()
    assert not any(guard.see(each) for each in [GOOD, BAD, BAD, BAD, BAD, GOOD, BAD, BAD, BAD, BAD])
    for taken in (1, 2, 3):
        assert guard.see({"meta_loss": 1.0, "gradient_norm": math.nan}) and guard.taken == taken
        assert guard.step_scale == 0.5**taken
        assert not any(guard.see(BAD) for _ in range(4))
    with pytest.raises(BadInput, match="even with steps of 0.125 of their size: start again with a lower --learning-r"):
        guard.see(BAD)


def poisoned(monkeypatch, limit):
    """Meta-gradients fail from step 6 on as long as steps are larger than `limit` of their size; paces are noted."""
    step, paces = MetaLearner.step, []

    def failing(self, state, key, compiled):
        step_scale = 1.0 if self.step_scale is None else float(self.step_scale)
        paces.append((int(state.step), step_scale))
        state, measured = step(self, state, key, compiled)
        if int(state.step) > 5 and step_scale > limit:
            measured["gradient_norm"] = jnp.asarray(jnp.nan)
        return state, measured

    monkeypatch.setattr(MetaLearner, "step", failing)
    return paces


@pytest.mark.slow
def test_a_run_goes_back_to_its_last_good_checkpoint_with_smaller_steps(tmp_path, monkeypatch, capsys):
    paces = poisoned(monkeypatch, 0.25)
    assert train(tmp_path) == 0
    said = capsys.readouterr().out
    assert "5 meta-gradients in a row were not finite: back to step 4, with steps of 0.5 of their size (1 of 3" in said
    assert "with steps of 0.25 of their size (2 of 3 times)" in said
    assert paces[:11] == [(step, 1.0) for step in range(10)] + [(4, 0.5)] and paces[-1] == (19, 0.25)
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == list(range(1, 21))


def test_a_run_that_stays_not_finite_stops_with_a_sentence(tmp_path, monkeypatch, capsys):
    poisoned(monkeypatch, 0.0)
    assert train(tmp_path) == 2
    assert "5 meta-gradients in a row were not finite, even with steps of 0.125" in capsys.readouterr().err
    assert sorted(int(path.name) for path in (tmp_path / "checkpoints").iterdir()) == [2, 4]


@pytest.mark.slow
def test_a_clock_that_goes_backwards(tmp_path, monkeypatch):
    begun, real = time.time(), time.time
    monkeypatch.setattr(time, "time", lambda: begun - 3600 * (real() - begun))
    assert train(tmp_path, "--steps", "6") == 0
    seconds = [line["seconds"] for line in read_metrics(tmp_path / "metrics.jsonl")]
    assert seconds == sorted(seconds) and seconds[0] > 0
    assert train(tmp_path, "--steps", "8", "--resume") == 0


def test_watch(tmp_path, capsys):
    assert main(["watch", str(tmp_path), "--once"]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert train(tmp_path, "--steps", "6") == 0
    capsys.readouterr()
    (tmp_path / "results.json").rename(tmp_path / "aside")
    assert main(["watch", str(tmp_path), "--once"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "step 6 of 6" in out and "meta-loss" in out and "checkpoints of steps 2, 4, 6" in out
    assert "last update" in out
    (tmp_path / "aside").rename(tmp_path / "results.json")
    assert main(["watch", str(tmp_path)]) == 0  # A finished run is shown once.
    out = capsys.readouterr().out
    assert "done" in out and out.endswith("\n")  # In a pipe, too.
    (tmp_path / "metrics.jsonl").unlink()
    assert main(["watch", str(tmp_path), "--once"]) == 0
    assert main(["watch", str(tmp_path), "--every", "0"]) == 2


def test_no_step_is_made_where_no_checkpoint_has_room(tmp_path, monkeypatch, capsys):
    def full(folder, size):
        assert size > 100_000
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_checkpoints, "allocate", full)
    assert train(tmp_path) == 2
    err = capsys.readouterr().err
    assert "There is no room for a checkpoint of 0.3 MB" in err and err.count("\n") == 1
    assert not (tmp_path / "metrics.jsonl").exists() or not (tmp_path / "metrics.jsonl").read_text()
    assert logging.getLogger("asyncio").level == logging.CRITICAL  # It would say once more what a sentence has said.


@pytest.mark.parametrize(
    "text", ["\x00", '"\x07"', "[]", "{", "[" * 100_000, "\udcff", '{"step": "one"}\n', '[{"encoder": 1}]']
)
@pytest.mark.parametrize("name", ["configuration.json", "results.json", "metrics.jsonl"])
def test_a_spoilt_file_of_a_run_is_named_in_one_sentence(name, text, tmp_path, capsys):
    run = RunFolder.create(tmp_path / "run", {"steps": 3})
    run.metrics.write_text('{"step": 1, "seconds": 2.0, "meta_loss": 0.5}\n')
    run.results.write_text("[]")
    choice = Lean(hidden=2, signal=1, readout=1)
    save_rule(run.rule, choice.build(jax.random.key(0)), configuration_of(choice), {"network": "3"})
    (run.path / name).write_bytes(f"{text}\n".encode(errors="surrogateescape"))
    good = (name, text) in {("results.json", "[]"), ("configuration.json", '{"step": "one"}\n')}
    for command in (["report", str(run.path)], ["watch", str(run.path), "--once"], ["runs", str(tmp_path)]):
        code = main(command)
        out, err = capsys.readouterr()
        assert code in (0, 2) and err.count("\n") == (code == 2) and (code == 0 or name in err)
        if command[0] == "runs":
            assert code == 0 and ("damaged" in out) != good
        if command[0] == "report" and name != "configuration.json":
            assert code == (0 if good else 2)


def test_sparkline():
    assert sparkline([1.0, 2.0, 9.0, math.nan], 4) == "▁▂█×"
    assert len(sparkline([float(i) for i in range(1000)], 60)) <= 60 and sparkline([2.0]) == "▁" and sparkline([]) == ""


def test_weights_and_biases_is_an_extra(tmp_path, monkeypatch, capsys):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(_metrics.importlib, "import_module", absent)
    with pytest.raises(BadInput, match="--wandb needs an extra: pip install 'metarule"):
        _metrics.weights_and_biases()


def test_parts_of_a_fingerprint_add_up():
    choose = np.random.default_rng(0)
    for dtype in (np.float32, np.float64, np.uint8, np.int16, bool, jnp.bfloat16):
        array = choose.integers(0, 2, (6, 3)).astype(dtype)
        cut = sum(_fingerprint._sum(array[i : i + 2], 3 * i) for i in (0, 2, 4))
        assert _fingerprint.fingerprint(array, cut) == _fingerprint.full_fingerprint(array)
        other = array.copy()
        other[4, 1] = 1 - other[4, 1]
        assert (
            _fingerprint.full_fingerprint(other)
            != _fingerprint.full_fingerprint(array)
            != _fingerprint.full_fingerprint(array[::-1].copy())
        )
    assert _fingerprint.local_sum(jax.numpy.arange(3)) == _fingerprint._sum(np.arange(3, dtype=np.int32), 0)
