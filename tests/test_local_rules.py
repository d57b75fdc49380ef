"""Hand-made rules against their formulas, written again one example at a time, and against what they converge to."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.models import Activity, MultiLayerPerceptron, Synapse
from metarule.rules import fit, KrotovHopfield, Oja, Sanger, SoftHebb


GENERATOR = np.random.default_rng(0)
X, W = GENERATOR.normal(size=(7, 5)), GENERATOR.normal(size=(5, 4))


def oja(x, w):
    dw, power = np.zeros_like(w), 0.0
    for example in x:
        u = w.T @ example
        power += u @ u
        for j in range(len(u)):
            dw[:, j] += u[j] * (example - w @ u)
    return 0.3 * dw / (len(x) + power)


def sanger(x, w):
    dw, power = np.zeros_like(w), 0.0
    for example in x:
        u = w.T @ example
        power += u @ u
        for j in range(len(u)):
            dw[:, j] += u[j] * (example - w[:, : j + 1] @ u[: j + 1])
    return 0.3 * dw / (len(x) + power)


def soft_hebb(x, w):
    dw = np.zeros_like(w)
    for example in x:
        u = w.T @ example
        y = np.exp(10 * u) / np.exp(10 * u).sum()
        for j in range(len(u)):
            dw[:, j] += (1 if j == u.argmax() else -1) * y[j] * (example - u[j] * w[:, j])
    length = np.linalg.norm(w, axis=0)
    return 0.03 * np.sqrt(np.abs(length - 1)) * dw / np.abs(dw).max()


def krotov_hopfield(x, w):
    dw = np.zeros_like(w)
    for example in x:
        u = w.T @ example
        for place, g in ((-1, 1.0), (-3, -0.4)):
            j = np.argsort(u)[place]
            dw[:, j] += g * (example - u[j] * w[:, j])
    return 0.02 * dw / np.abs(dw).max()


RULES = {
    Oja(0.3): oja,
    Sanger(0.3): sanger,
    SoftHebb(0.03, 10.0): soft_hebb,
    KrotovHopfield(0.02, 0.4, rank=3): krotov_hopfield,
}


def change(rule, w, x):
    """What a rule adds to a weight matrix whose inputs these are."""
    w, x = jnp.asarray(w, float), jnp.asarray(x, float)
    return rule.change(Synapse(w, jnp.zeros(w.shape[1]), w), Activity(x, x @ w, x @ w)).w


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_step_is_the_formula(rule):
    # Inputs are centred and scaled by one number before a rule sees them: these are so already.
    x = X - X.mean(0)
    x /= np.sqrt((x**2).sum(1).mean())
    np.testing.assert_allclose(change(rule, W, x), RULES[rule](x, W), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_every_layer_learns_from_the_activity_below_it_at_any_scale(rule):
    model = MultiLayerPerceptron((4, 3), weight_scale=0.5)((5,), jr.key(0))
    x = jnp.asarray(X)
    updates, _ = rule.update(model, x, rule.init(model))
    scaled, _ = rule.update(model, 100 * x + 3, None)
    below = [x]
    for layer, update, other in zip(model.layers, updates.layers, scaled.layers):
        centred = below[-1] - below[-1].mean(0)
        centred /= jnp.sqrt((centred**2).sum(1).mean())
        np.testing.assert_allclose(update.synapses[0].w, change(rule, layer.synapses[0].w, centred), atol=1e-5)
        np.testing.assert_allclose(update.synapses[0].w, other.synapses[0].w, atol=1e-4)
        assert not update.synapses[0].b.any() and not update.synapses[0].v.any()
        below.append(layer(below)[0])


def converged(rule, x, units, steps):
    model = MultiLayerPerceptron((units,), weight_scale=0.3)((x.shape[1],), jr.key(1))
    go = eqx.filter_jit(lambda: fit(rule, (model, None), jnp.asarray(x), steps, batch_size=len(x), key=jr.key(2))[0])
    return np.asarray(go().layers[0].synapses[0].w)


def test_oja_and_sanger_find_the_principal_components():
    generator = np.random.default_rng(1)
    axes = np.linalg.qr(generator.normal(size=(6, 6)))[0].T
    x = (generator.normal(size=(400, 6)) * [4, 3, 2, 1, 0.5, 0.2]) @ axes + 1
    _, _, directions = np.linalg.svd(x - x.mean(0), full_matrices=False)
    ordered = converged(Sanger(0.1), x, 3, 3000)
    np.testing.assert_allclose(np.abs(directions[:3] @ ordered), np.eye(3), atol=0.1)
    spanned = converged(Oja(0.1), x, 3, 3000)
    np.testing.assert_allclose(spanned @ spanned.T, directions[:3].T @ directions[:3], atol=0.1)
    single = converged(Oja(0.1), x, 1, 3000)
    np.testing.assert_allclose(np.abs(directions[:1] @ single), 1, atol=0.05)


def test_no_start_diverges():
    for rule in (Oja(1.0), Sanger(1.0)):
        w, x = jnp.full((50, 8), 30.0) * jr.normal(jr.key(0), (50, 8)), jr.normal(jr.key(1), (20, 50)) / 7
        w = jax.lax.fori_loop(0, 200, lambda _, w: w + change(rule, w, x), w)
        assert jnp.isfinite(w).all() and jnp.abs(w).max() < 100
