"""Draws how much each term of a rule moves the weights: python docs/plot_terms.py default docs/terms.png

At every inner step and in every layer, each term's bounded change, times its coefficient, is measured by its root mean
square, and by its cosine with the whole change of the weights.
"""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib
import numpy as np
from metarule import load_rule
from metarule.launch.options._ingredients import INGREDIENTS
from metarule.models import MultiLayerPerceptron
from metarule.rules import Site, unit_rms
from sklearn.datasets import load_digits


matplotlib.use("Agg")
import matplotlib.pyplot as plt


def pushes(rule, model, x):
    """What each term adds to each layer's weights [layer, term, statistic]: root mean square, cosine with the sum."""
    trace = model.trace(x)
    signals, change = rule.signals(model, trace, rule.top(trace, None)[0]), rule.weight_change
    rows = []
    for index, synapse in enumerate(model.synapses):
        activity, (below, above) = trace.activities[index][0], signals[index : index + 2]
        site = Site(unit_rms(synapse.w), activity, below.hidden, above.hidden)
        whole = -change(site)
        wanted = jnp.stack(change.changes(site))
        bounded = wanted * jax.lax.rsqrt(change.epsilon + (wanted**2).mean(1, keepdims=True))
        pushed = -change.coefficients[:, None, None] * bounded / len(wanted)
        size = jnp.sqrt((pushed**2).mean((1, 2)))
        rows.append(jnp.stack([size, (pushed * whole).mean((1, 2)) / size / jnp.sqrt((whole**2).mean())], 1))
    return jnp.stack(rows)


def along(rule, steps, seed=0, widths=(128, 64)):
    """The pushes at every step [step, layer, term, statistic] while the rule trains a base model on digits."""
    x = jnp.asarray(load_digits().data / 16, jnp.float32)
    model = MultiLayerPerceptron(widths)(x.shape[1:], jr.key(seed))

    def step(carried, key):
        model, state = carried
        batch = x[jr.randint(key, (32,), 0, len(x))]
        updates, state = rule.update(model, batch, state)
        return (eqx.apply_updates(model, updates), state), pushes(rule, model, batch)

    run = eqx.filter_jit(lambda carried, keys: jax.lax.scan(step, carried, keys)[1])
    return run((model, rule.init(model)), jr.split(jr.key(seed + 1), steps))


def names(rule):
    """The rule's terms by the names of the glossary."""
    kinds = [type(term) for term in rule.weight_change.terms]
    found = {}
    for name in INGREDIENTS:
        try:
            left = {type(term) for term in INGREDIENTS[name](rule).weight_change.terms}
        except ValueError:
            continue
        gone = [kind for kind in kinds if kind not in left]
        if len(gone) == 1:
            found.setdefault(gone[0], name)
    return [found[kind] for kind in kinds]


def main(source, out):
    rule = load_rule(source)
    sizes = np.asarray(along(rule, 200))
    figure, axes = plt.subplots(2, 2, figsize=(9, 6), sharex=True, sharey="row", layout="constrained")
    for layer in range(2):
        for index, name in enumerate(names(rule)):
            smooth = np.stack([np.convolve(each, np.ones(10) / 10, "valid") for each in sizes[:, layer, index].T])
            for row in range(2):
                axes[row, layer].plot(range(10, len(sizes) + 1), smooth[row], label=name, linewidth=2)
        axes[0, layer].set(title=f"layer {layer + 1}", ylim=(0, None))
        axes[1, layer].set_xlabel("inner step")
        axes[1, layer].axhline(0, color="#999999", linewidth=1)
    axes[0, 0].set_ylabel("root mean square")
    axes[1, 0].set_ylabel("cosine with the whole change")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    for each in axes.flat:
        each.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=100)
    for name, per_term in zip(names(rule), sizes[-50:].mean(0).transpose(1, 0, 2)):
        print(f"{name:15}", *(f"rms {rms:.4f} cosine {cosine:+.2f}" for rms, cosine in per_term), sep="  ")


if __name__ == "__main__":
    main(*sys.argv[1:])
