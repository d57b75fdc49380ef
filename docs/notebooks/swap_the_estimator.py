# %% [markdown]
# # Swap the estimator, and see bias and variance
#
# **Question: what do I pay for a gradient of the meta-loss that is cheap?**
#
# The problem is two lines: a state of four numbers, which theta pulls towards zero and a wave pushes away. Its exact
# gradient is known from full backpropagation. Every estimator of Metarule is asked for the same gradient.

# %%
from typing import final

import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
from metarule.meta import AbstractProblem, diagnose, Length, sample_gradients
from metarule.meta.estimators import AntitheticES, FullBackprop, FullES, Noise, NRES, PES, Population, TruncatedBackprop


STEPS, WINDOW = 40, 5


@final
class Pull(AbstractProblem):
    """A state with memory: what theta does at one step is felt at many later ones."""

    horizon: Length = Length(STEPS)

    def init(self, theta, key):
        return jr.normal(key, (4,)), jnp.zeros(())

    def step(self, theta, state, key):
        place, time = state
        place = place - theta * jnp.tanh(place) + 0.05 * jnp.sin(time / 5)
        return (place, time + 1), (place**2).mean()


theta, pairs, noise = jnp.array(0.05), Population(8, 4), Noise(0.01)
estimators = {
    "backprop": FullBackprop(Population(8), None),
    "tbptt": TruncatedBackprop(Population(8), WINDOW, None),
    "es": AntitheticES(pairs, WINDOW, noise),
    "full-es": FullES(pairs, noise),
    "pes": PES(pairs, WINDOW, noise),
    "nres": NRES(pairs, WINDOW, noise),
}

# %% [markdown]
# ## The same gradient, six times
# Each sample is an independent start; a point is the mean of the estimates of one unroll.

# %%
samples = {name: sample_gradients(each, Pull(), theta, jr.key(1), samples=48) for name, each in estimators.items()}
exact = sample_gradients(FullBackprop(Population(64), None), Pull(), theta, jr.key(0), samples=48)
found = {name: diagnose(each, exact) for name, each in samples.items()}

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.axvline(exact.mean[0], color="#333333", linestyle="--", label="exact")
for place, (name, each) in enumerate(samples.items()):
    height = place + 0.5 * np.random.default_rng(0).random(len(each.means)) - 0.25
    left.plot(each.means[:, 0], height, ".", alpha=0.6)
    right.plot(found[name].bias, found[name].variance, "o")
    right.annotate(name, (found[name].bias, found[name].variance), (5, 5), textcoords="offset points")
left.set(yticks=range(len(samples)), yticklabels=samples, xlabel="estimate of the gradient")
left.legend(frameon=False)
right.set(
    yscale="log", xlim=(-0.05, 1), xlabel="bias, as a share of the exact gradient", ylabel="variance of one estimate"
)
plt.show()

# %%
for name, each in found.items():
    told = "no bias can be seen" if each.bias <= 2 * each.resolution else f"bias {each.bias:.2f}"
    print(f"{name:9} {told} (± {each.resolution:.2f}), variance {each.variance:.3g}, {1e3 * each.seconds:.2f} ms")

# %% [markdown]
# Windows make an estimate cheap, and blind to what comes after them: `tbptt` and `es` miss most of the gradient,
# because theta acts for long here. PES and NRES take windows too, and are unbiased for the smoothed gradient, which
# differs from the exact one by little where the noise is small: the price is variance.
# `metarule compare` draws the same for the meta-training of a rule.
