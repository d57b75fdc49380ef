"""Number-for-number agreement with the code released with arXiv 1804.00222, on recorded runs of that code."""

import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from metarule.meta import Hinge, RidgeObjective, Squared
from metarule.models import Connection, Layer, Model, Synapse
from metarule.rules import released_from_variables, Site, unit_rms
from metarule.rules.terms._change import bounded
from metarule.tasks import Episode


FIXTURES = Path(__file__).parent / "fixtures"
TERMS = (
    "0_order 1_order decorr_x hebb large_decay lin_lower_symm lin_upper_psd lin_upper_symm rbf sqr_lower_symm "
    "sqr_upper_symm w_base"
).split()


@pytest.fixture(params=[jnp.float64, jnp.float32], ids=["float64", "float32"])
def precision(request):
    with jax.enable_x64(request.param == jnp.float64):
        yield request.param


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


PRECISIONS = [jnp.float64, slow(jnp.float32)]
EITHER = pytest.mark.parametrize("precision", PRECISIONS, ids=["float64", "float32"], indirect=True)


def load(name, precision):
    stored = np.load(FIXTURES / f"{name}.npz")
    return {k: stored[k].astype(precision) if stored[k].dtype.kind == "f" else stored[k] for k in stored.files}


def theta(fixture):
    return {name.removeprefix("theta/"): value for name, value in fixture.items() if name.startswith("theta/")}


def base_model(fixture, prefix="phi0"):
    layers = []
    while f"{prefix}/W{len(layers)}" in fixture:
        w, b, v = (jnp.asarray(fixture[f"{prefix}/{name}{len(layers)}"]) for name in "WbV")
        connection = Connection(Synapse(w, b.reshape(-1), v), source=len(layers))
        layers.append(Layer((connection,), jax.nn.relu))
    return Model(tuple(layers))


def rule_of(fixture, step_size=1e-4):
    # The step size as an array: programs compiled for one serve the other.
    return set_step_size(released_from_variables(theta(fixture)), step_size)


def set_step_size(rule, step_size):
    precision = rule.outgoing.bias.dtype
    return eqx.tree_at(lambda it: it.log_step_size, rule, jnp.asarray(np.log(step_size), precision))


def error(ours, recorded):
    ours, recorded = np.asarray(ours, np.float64), np.asarray(recorded, np.float64)
    assert ours.shape == recorded.shape
    return np.linalg.norm(ours - recorded) / np.linalg.norm(recorded)


@EITHER
@pytest.mark.parametrize("name", ["a_noise", "c_noise"])
def test_intermediates(name, precision):
    fixture = load(name, precision)
    model, rule = base_model(fixture), rule_of(fixture)
    signals, activities, synapse_changes = intermediates(rule, model, jnp.asarray(fixture["x"]))
    for k in range(len(model.layers) + 1):
        for key, ours in [("d_in", signals[k].incoming), ("delta", signals[k].outgoing)]:
            assert error(ours.last.swapaxes(0, 1), fixture[f"{key}/{k}"]) < 1e-4
        assert error(signals[k].hidden.last.swapaxes(0, 1), fixture[f"h/{k}"]) < 1e-4
    assert error(signals[-1].incoming.last.swapaxes(0, 1), fixture["top_delta"]) < 1e-4
    for k, (layer, (activity,)) in enumerate(zip(model.layers, activities)):
        assert error(activity.x, fixture[f"xs/{k}"]) < 1e-4
        assert error(activity.z, fixture[f"zs/{k + 1}"]) < 1e-4
        change, terms, terms_backward = synapse_changes[k]
        for prefix, ours in [("", terms), ("_backward", terms_backward)]:
            for key, (plain, normalised) in zip(TERMS, ours):
                assert error(plain, fixture[f"terms{prefix}/{k}/{key}"]) < 1e-4
                assert error(normalised, fixture[f"terms_norm{prefix}/{k}/{key}"]) < 1e-4
        assert len(terms) == len(TERMS) and len(terms_backward) in (0, len(TERMS))
        assert error(change.w, fixture[f"change_W/{k}"]) < 1e-4
        assert error(change.b, fixture[f"change_b/{k}"]) < 1e-4
        if terms_backward:
            assert error(change.v, fixture[f"change_V/{k}"]) < 1e-4


@eqx.filter_jit
def intermediates(rule, model, x):
    trace = model.trace(x)
    activities = trace.activities
    signals = rule.signals(model, trace, rule.top(trace, None)[0])

    def terms(merge, weights, activity, hidden):
        if merge is None:
            return []
        changes = merge.changes(Site(unit_rms(weights), activity, *hidden))
        return [(change, bounded(change, merge.epsilon)) for change in changes]

    changes = []
    for k, (layer, (activity,)) in enumerate(zip(model.layers, activities)):
        hidden, (synapse,) = (signals[k].hidden, signals[k + 1].hidden), layer.synapses
        forward = terms(rule.weight_change, synapse.w, activity, hidden)
        backward = terms(rule.feedback_change, synapse.v, activity, hidden)
        changes.append((rule.change(synapse, activity, hidden), forward, backward))
    return signals, activities, changes


def one_step(rule, model, x):
    updates, _ = rule.update(model, x, None)
    return eqx.apply_updates(model, updates)


@eqx.filter_jit
def unroll(rule, model, x, steps):
    return jax.lax.fori_loop(0, steps, lambda _, model: one_step(rule, model, x), model)


@EITHER
@pytest.mark.parametrize(
    "name, step_size, steps",
    [(name, size, steps) for name in ["a_noise", "c_noise"] for size in [1e-4, 1e-2] for steps in [1, 5]]
    + [slow("b_noise", 1e-2, 5)],  # The widest: two minutes where programs are not optimised.
)
def test_parameters_after_steps(name, step_size, steps, precision):
    fixture = load(name, precision)
    start = base_model(fixture)
    end = unroll(rule_of(fixture, step_size), start, jnp.asarray(fixture["x"]), jnp.asarray(steps))
    prefix = ("lr1e-2_" if step_size == 1e-2 else "") + f"phi{steps}"
    for k, (before, after) in enumerate(zip(start.layers, end.layers)):
        for recorded, field in zip("WbV", ("w", "b", "v")):
            target = fixture[f"{prefix}/{recorded}{k}"].reshape(getattr(after.synapses[0], field).shape)
            value = np.asarray(getattr(after.synapses[0], field), np.float64)
            assert error(value, target) < 1e-5
            if step_size == 1e-2:
                initial = np.asarray(getattr(before.synapses[0], field), np.float64)
                assert error(value - initial, np.asarray(target, np.float64) - initial) < 1e-3


VARIANTS = {
    "": RidgeObjective(),
    "variant/hinge_loss/": RidgeObjective(Hinge()),
    "variant/no_normalize_y_hat/": RidgeObjective(Squared()),
    "variant/no_center_y/": RidgeObjective(normalise_targets=False),
    "variant/no_zero_one_labels/": RidgeObjective(signed_targets=True),
    "variant/normalize_act/": RidgeObjective(normalise_features=True),
    "variant/ridge_1/": RidgeObjective(ridge=1.0),
    "variant/test_train_scalar_0.5/": RidgeObjective(query_share=0.5),
}


class ExistingRule(eqx.Module):
    """Stands in for a base model: its features are its inputs."""

    def __call__(self, x):
        return x, ()


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda name: name.strip("/").split("/")[-1] or "default")
def test_meta_objective(variant, precision):
    fixture = load("meta_objective", precision)
    support_y, query_y = (jax.nn.one_hot(fixture[f"labels_{s}"], 10, dtype=precision) for s in ("train", "test"))

    def loss(support, query):
        features = jnp.concatenate([support, query])
        objective = VARIANTS[variant]
        if objective.normalise_features:
            features = features / jnp.sqrt(jnp.maximum((features**2).sum(0), 1e-12))
        return objective.on_features(features, support_y, query_y)

    inputs = jnp.asarray(fixture["features_train"]), jnp.asarray(fixture["features_test"])
    value, gradients = jax.value_and_grad(loss, (0, 1))(*inputs)
    assert error(value, fixture[variant + "loss"]) < 1e-4
    if not variant:
        for ours, split in zip(gradients, ("train", "test")):
            assert error(ours, fixture[f"grad_features_{split}"]) < 1e-4


@EITHER
@pytest.mark.parametrize(
    "name, step_size, steps",
    [("a", size, steps) for size in ("1e-2", "1e-4") for steps in (0, 1, 3)]
    + [slow("c", "1e-2", steps) for steps in (0, 1, 3)],
)
def test_meta_gradient(name, step_size, steps, precision):
    parent, fixture = load(f"{name}_noise", precision), load(f"{name}_noise_metagrad", precision)
    classes = json.loads(str(fixture["config_json"]))["meta_classes"]
    episode = Episode(
        jnp.asarray(fixture["meta_train_x"]),
        jax.nn.one_hot(fixture["meta_train_y"], classes, dtype=precision),
        jnp.asarray(fixture["meta_test_x"]),
        jax.nn.one_hot(fixture["meta_test_y"], classes, dtype=precision),
    )
    variables = {k: jnp.asarray(v) for k, v in theta(parent).items()}
    data = jnp.asarray(parent["x"]), episode
    log_step_size = jnp.asarray(np.log(float(step_size)), precision)
    live = jnp.arange(3) < steps
    value, (by_theta, by_phi) = meta_gradient((variables, base_model(parent)), log_step_size, data, live)
    prefix = f"lr{step_size}_step{steps}/"
    assert error(value, fixture[prefix + "loss"]) < 1e-5
    tolerance = 2e-3 if precision == jnp.float64 else 1e-2
    if steps == 0:
        assert not any(np.any(value) for value in by_theta.values())
    else:
        pairs = [(by_theta[name], fixture[f"{prefix}grad/{name}"]) for name in variables]
        assert error(*map(joined, zip(*pairs))) < tolerance
    pairs = [
        (getattr(layer.synapses[0], field), fixture[f"{prefix}grad_phi0/{letter}{k}"])
        for k, layer in enumerate(by_phi.layers)
        for letter, field in zip("WbV", ("w", "b", "v"))
    ]
    assert error(*map(joined, zip(*pairs))) < tolerance


@eqx.filter_jit
@eqx.filter_value_and_grad
def meta_gradient(learned, log_step_size, data, live):
    (variables, model), (x, episode) = learned, data
    rule = released_from_variables(variables)
    rule = eqx.tree_at(lambda it: it.log_step_size, rule, log_step_size)

    def step(model, live):  # One program for any number of steps: those that are not live leave no trace.
        return jax.tree.map(lambda new, old: jnp.where(live, new, old), one_step(rule, model, x), model), None

    model, _ = jax.lax.scan(step, model, live)
    return RidgeObjective()(model, episode)


def joined(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])
