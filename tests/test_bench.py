"""`metarule bench`: what it prints, what it counts, and costs by ratio to a reference of the same run."""

import json
import time

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import pytest
from metarule.launch.__main__ import main
from metarule.launch.bench._flops import product_flops
from metarule.launch.bench._program import Program
from metarule.launch.bench._scaling import draw_scaling
from metarule.launch.bench._timing import Budget, time_in_turn
from metarule.launch.commands.machine._bench import WORKLOADS
from metarule.meta import AbstractProblem, Length, MetaLearner
from metarule.meta.estimators import PES, Population, TruncatedBackprop
from metarule.rules.kernels._correlate import correlate
from toys import Drift


def test_a_table_and_its_rows(tmp_path, capsys):
    file = tmp_path / "bench.json"
    assert main(["bench", "apply-lean", "encode", "--small", "--repeats", "3", "--json", str(file)]) == 0
    rows = json.loads(file.read_text())
    assert "apply-lean" in capsys.readouterr().out
    assert [row["workload"] for row in rows] == ["apply-lean", "encode-fit", "encode"]
    first, _, last = rows
    for key in ("seconds", "cpu_seconds", "flops", "peak_share", "peak_memory_bytes", "compile_seconds"):
        assert first[key] > 0, key
        assert key in last
    rate = first["flops_by_hand"] / first["seconds"]
    assert first["peak_share"] == pytest.approx(rate / first["peak_flops_per_second"])
    assert last["flops"] is None and last["rows_per_second"] > 0


def test_a_convolution_is_measured_beside_a_perceptron_of_as_many_products(tmp_path):
    file = tmp_path / "bench.json"
    assert main(["bench", "apply-conv", "apply-attention", "--small", "--repeats", "3", "--json", str(file)]) == 0
    rows = json.loads(file.read_text())
    assert [row["workload"].removeprefix("apply-") for row in rows] == [
        "conv",
        "conv-perceptron",
        "attention",
        "attention-perceptron",
    ]
    for own, perceptron in zip(rows[::2], rows[1::2]):
        assert own["flops_by_hand"] == pytest.approx(perceptron["flops_by_hand"], rel=0.2)
        assert own["ratio"] > 0 and f"{own['ratio']:.2f}" in own["remark"]


def test_a_plot_of_scaling(tmp_path):
    axes = ("tasks", "inner-steps")
    rows = [
        {"axis": axis, "size": size, "cpu_seconds": 0.1 * size, "peak_memory_bytes": 1e6}
        for axis in axes
        for size in (1.0, 10.0)
    ]
    draw_scaling(rows, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 5000


def test_an_unknown_workload_is_one_sentence(capsys):
    assert main(["bench", "nothing"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and all(name in said for name in WORKLOADS)


def test_products_are_counted_as_by_hand_and_by_the_compiler():
    def network(x, first, second):
        return jax.nn.relu(x @ first) @ second

    arguments = [jnp.ones(shape) for shape in ((16, 24), (24, 40), (40, 8))]
    hand = 2 * 16 * 24 * 40 + 2 * 16 * 40 * 8
    assert product_flops(network, *arguments) == (hand, hand)
    assert Program(network, *arguments).flops == pytest.approx(hand, rel=0.05)  # Beside the products, a rectifier.


def test_a_loop_counts_as_often_as_it_turns():
    def loop(x, w):
        return jax.lax.scan(lambda x, _: (x @ w, None), x, None, length=7)[0]

    arguments = jnp.ones((16, 24)), jnp.ones((24, 24))
    once = 2 * 16 * 24 * 24
    assert product_flops(loop, *arguments) == (7 * once, once)
    assert Program(loop, *arguments).flops == pytest.approx(7 * once, rel=0.05)


def test_what_devices_share_counts_for_all_of_them():
    mesh = jax.sharding.AbstractMesh((4,), ("device",))
    part = jax.sharding.PartitionSpec("device")
    products = jax.shard_map(lambda x: x @ x.T, mesh=mesh, in_specs=part, out_specs=part)
    assert product_flops(products, jnp.ones((8, 6))) == (2.0 * 8 * 6 * 2,) * 2  # Each has two of the rows.


def test_the_released_network_counts_what_its_sizes_say(getkey):
    values, weight = jr.normal(getkey(), (5, 8, 6)), jr.normal(getkey(), (3, 6, 4))
    forward = 2 * 5 * 8 * 3 * 6 * 4
    assert product_flops(lambda x, w: correlate(x, w, 1), values, weight)[0] == forward
    gradient = jax.grad(lambda x, w: (correlate(x, w, 1) ** 2).sum(), (0, 1))
    assert product_flops(gradient, values, weight)[0] == 3 * forward


def test_a_meta_step_is_traced_once():
    traces = []

    class Counted(AbstractProblem):
        problem: Drift
        horizon: Length

        def init(self, theta, key):
            return self.problem.init(theta, key)

        def step(self, theta, state, key):
            traces.append(None)
            return self.problem.step(theta, state, key)

    horizon = Length(6)
    problem = Counted(Drift(horizon=horizon, pushes=jnp.ones((7, 3)), weights=jnp.ones(6)), horizon)
    for estimator in (TruncatedBackprop(Population(2), Length(3)), PES(Population(2), Length(3))):
        learner = MetaLearner((problem,), estimator, optax.adam(1e-2))
        state = learner.init(jnp.zeros(3), jr.key(0))
        state, _ = learner.step(state, jr.key(1))
        before = len(traces)
        for _ in range(4):
            state, _ = learner.step(state, jr.key(1))
        assert len(traces) == before


def test_samples_are_taken_in_turn():
    order = []
    fast, slow = time_in_turn(
        [lambda: order.append("a"), lambda: (order.append("b"), time.sleep(0.06))], Budget(3, 30.0)
    )
    assert len(fast.wall) == len(slow.wall) == 3
    assert slow.seconds > 0.05 > fast.seconds and slow.cpu_seconds < 0.05
    firsts = "".join(order).replace("aa", "").lstrip("a")
    assert firsts.count("b") == 5  # Twice before, then once in each of three rounds.


def test_a_convolution_in_a_loop_costs_what_its_products_do():
    """By ratio to the same products as plain ones, in one run: XLA's own gradient of a convolution takes far longer."""
    values, weight = jr.normal(jr.key(0), (48, 64, 32)), jr.normal(jr.key(1), (3, 32, 32))
    rows, matrix = values.reshape(-1, 32), jr.normal(jr.key(2), (32, 96))

    def gradients(function):
        def loop(x, w):
            grad = jax.grad(lambda x, w: (function(x, w) ** 2).sum(), (0, 1))
            step = lambda x, _: (1e-3 * sum(part.sum() for part in grad(x, w)) + x, None)
            return jax.lax.scan(step, x, None, length=4)[0]

        return loop

    ours = Program(gradients(lambda x, w: correlate(x, w, 1)), values, weight)
    theirs = Program(gradients(lambda x, w: x @ w), rows, matrix)
    assert ours.flops_by_hand == theirs.flops_by_hand
    mine, reference = time_in_turn([ours, theirs], Budget(7, 10.0))
    assert min(mine.cpu) < 4 * min(reference.cpu)
