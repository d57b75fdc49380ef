"""`metarule inspect`: what is said of a rule is what the rule does."""

import csv
import math
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.launch.__main__ import main
from metarule.launch.encoders._trained_rule import TrainedRule
from metarule.launch.inspection._numbers import numbers, sizes
from metarule.launch.inspection._shares import pushes
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._rule_file import save_rule
from metarule.models import Kernel, MultiLayerPerceptron, Transformer
from metarule.rules import (
    Hebbian,
    lean,
    LearnedRule,
    Momentum,
    Oja,
    polynomial,
    unit_rms,
    WeightDecay,
    without_terms,
)
from metarule.tasks import load


RULE = lean(jr.key(0), hidden=4, signal=2, readout=1)
SMALL = without_terms(
    RULE, *(type(term) for term in RULE.weight_change.terms if not isinstance(term, Hebbian | WeightDecay))
)
MODELS = {
    "perceptron": (MultiLayerPerceptron((5, 4), weight_scale=0.5), (6,)),
    "transformer": (Transformer(Kernel(2, 2, 4), grid=1), (4, 4, 1)),
}


def added(rule, name):
    """What a rule adds to the weights of a base model, and the parts that it is said to consist of."""
    architecture, shape = MODELS[name]
    model, x = architecture(shape, jr.key(1)), jr.normal(jr.key(2), (6, *shape))
    updates, parts = _asked(rule, model, x)
    return [synapse.w for synapse in updates.synapses], parts, model


@eqx.filter_jit
def _asked(rule, model, x):
    state = rule.init(model)
    return rule.update(model, x, state)[0], rule.parts(model, x, state)


@pytest.mark.parametrize(
    "name, rule",
    [("perceptron", RULE), ("transformer", RULE), ("perceptron", polynomial(jr.key(0)))],
    ids=["perceptron", "transformer", "polynomial"],
)
def test_the_parts_of_a_change_sum_to_it(name, rule):
    whole, parts, _ = added(rule, name)
    for change, found in zip(whole, parts, strict=True):
        if found is None:
            assert not change.any()
            continue
        assert len(found["terms"]) == len(rule.weight_change.terms)
        total = sum(part.sum(0) for part in found.values())
        np.testing.assert_allclose(total, change, atol=1e-5 * float(jnp.abs(change).max()) + 1e-9)


def test_decay_and_growth_are_in_proportion_to_the_weights():
    _, parts, model = added(SMALL, "perceptron")
    step_size = jnp.exp(SMALL.log_step_size)
    for found, synapse in zip(parts, model.synapses):
        np.testing.assert_allclose(found["decay"][0], -step_size * synapse.w, rtol=1e-5)
        np.testing.assert_allclose(found["growth"][0], step_size / 7 * unit_rms(synapse.w), rtol=1e-5)


@pytest.fixture(scope="module")
def digits():
    return load("digits", None)


def trained(rule, network="4-3"):
    return TrainedRule.of(rule, network)


def only(name):
    """A rule that gives the terms of all other classes a coefficient of zero."""
    keep = [type(term).__name__ == name for term in SMALL.weight_change.terms]
    return eqx.tree_at(lambda it: it.weight_change.coefficients, SMALL, 0.1 * jnp.array(keep, float))


def test_a_share_belongs_to_its_name(digits):
    found = pushes(trained(only("Hebbian")), digits, 2)
    assert set(found.parts[2:]) == {"offset", "projection", "growth", "decay"}
    np.testing.assert_allclose(found.share.sum(-1), 1, rtol=1e-4)
    alone = found.parts.index("hebb")
    assert np.abs(found.share[:, :, alone]).min() > 0.01 and found.share.shape == (2, 2, 6)
    np.testing.assert_array_equal(np.delete(found.share[:, :, :2], alone, -1), 0)


def test_momentum_is_looked_through(digits):
    plain, moved = (pushes(trained(rule), digits, 2) for rule in (SMALL, Momentum.create(SMALL, 0.75)))
    np.testing.assert_allclose(moved.share[0], plain.share[0], rtol=1e-4)
    np.testing.assert_allclose(moved.whole[0], plain.whole[0] / 4, rtol=1e-4)  # The average begins at zero.


def test_numbers_are_read_wherever_they_are():
    found = {number.name: number for number in numbers(Momentum.create(RULE, 0.9))}
    assert found["rule.step size"].value == pytest.approx(0.03) and found["rule.step size"].learned
    assert found["share"].value == pytest.approx(0.9)
    assert found["rule.decay"] == ("rule.decay", 1.0, False)
    assert [number.value for number in numbers(Oja(0.25))] == [0.25]


def test_meta_parameters_are_counted_once():
    wrapped = Momentum.create(RULE, 0.9)
    assert sum(sizes(wrapped).values()) == sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(wrapped, eqx.is_array)))
    assert sizes(wrapped)["outgoing"] == 4 * 2 + 2 and sizes(wrapped)["logit"] == 1


def inspected(*options):
    assert main(["inspect", *options, "--csv", "table.csv"]) == 0
    with open("table.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_command_shows_all_of_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    choice = Lean(hidden=2, signal=1, readout=1)
    rule = choice.build(jr.key(1))
    assert isinstance(rule, LearnedRule)
    record = {"network": "4-3", "weight_scale": 0.5, "batch_size": 5, "evaluation_steps": 7, "seed": 0}
    save_rule(Path("rule.safetensors"), rule, configuration_of(choice), record)
    rows = inspected("rule.safetensors")
    value = {(row["kind"], row["name"]): float(row["value"]) for row in rows}
    assert value["number", "step size"] == pytest.approx(0.03) and value["coefficient", "hebb"] == pytest.approx(0.1)
    shares = [row for row in rows if row["kind"] == "share"]
    places = dict.fromkeys((row["synapse"], row["first"], row["last"]) for row in shares)
    assert list(places) == [(layer, *period) for period in (("1", "2"), ("3", "5"), ("6", "7")) for layer in "12"]
    for place in places:
        own = [float(row["value"]) for row in shares if (row["synapse"], row["first"], row["last"]) == place]
        assert len(own) == 10 and math.fsum(own) == pytest.approx(1, rel=1e-3)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and any(line.startswith("hebb") for line in lines)
    assert all(
        lines[lines.index(title) - 1] == "" for title in lines if title.startswith(("Meta-parameters by", "Shares"))
    )


def test_a_rule_without_terms_is_told_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = inspected("metarule.rules:Oja", "--network", "4-3", "--steps", "2")
    assert {row["kind"] for row in rows} == {"number", "change"}
    assert "adds up no terms" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["metarule.rules:Elsewhere"], "has no class 'Elsewhere' to be a rule"),
        (["default", "--steps", "0"], "--steps must be 1 or more; got 0"),
        (["absent"], "There is no rule at absent"),
    ],
)
def test_what_cant_be_is_refused_in_one_sentence(options, sentence, capsys):
    assert main(["inspect", *options]) == 2
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1
