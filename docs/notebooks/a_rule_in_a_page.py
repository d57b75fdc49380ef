# %% [markdown]
# # A rule in a page
#
# **Question: how do I write an update rule of my own, and have its numbers learned?**
#
# A rule sees a base model and unlabelled inputs, and says how the weights change. Its float arrays are what is
# meta-learned. This one adds up four well-known reasons for a weight to change. How much should each count?
# Meta-training finds out, on mixtures of Gaussians.

# %%
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import optax
from jaxtyping import Array, Float
from metarule.meta import InnerLoop, Length, MetaLearner, RidgeObjective, rollout_loss
from metarule.meta.estimators import Population, TruncatedBackprop
from metarule.models import MultiLayerPerceptron, Synapse
from metarule.rules import AbstractSynapticRule
from metarule.tasks import AbstractTasks, Episode
from metarule.testing import check_rule, check_tasks


REASONS = ("Hebb", "decay", "Oja", "homeostasis")


@final
class Reasons(AbstractSynapticRule):
    """Hebb's product, decay, Oja's forgetting, and a bias that moves each unit's mean towards a half."""

    coefficients: Float[Array, "4"] = eqx.field(default_factory=lambda: jnp.zeros(4))

    def change(self, synapse, activity):
        hebb, decay, oja, bias = 0.1 * self.coefficients
        pre, post = activity.x - activity.x.mean(0), activity.y - activity.y.mean(0)
        w = hebb * pre.T @ post / len(pre) - decay * synapse.w - oja * synapse.w * (post**2).mean(0)
        return Synapse(w, bias * (0.5 - activity.y.mean(0)), jnp.zeros_like(synapse.v))


check_rule(Reasons())

# %% [markdown]
# ## What it is trained on
# A task is a mixture of five Gaussians. The rule gets points without labels; a ridge regression on a few labelled
# points scores the features, and that score is the meta-loss.


# %%
@final
class Mixtures(AbstractTasks):
    """Five Gaussians among 16 columns; a task is where they are."""

    @property
    def shape(self):
        return (16,)

    def sample(self, key):
        return jr.normal(key, (5, 16))

    def batch(self, task, key):
        classes, noise = jr.split(key)
        return task[jr.randint(classes, (32,), 0, 5)] + jr.normal(noise, (32, 16))

    def episode(self, task, key):
        labels = jnp.repeat(jnp.eye(5), 5, axis=0)
        support, query = (labels @ task + jr.normal(each, (25, 16)) for each in jr.split(key))
        return Episode(support, labels, query, labels)


check_tasks(Mixtures())

# %% [markdown]
# ## Meta-training
# Backpropagation through windows of ten steps makes the gradient of the meta-loss with respect to the four numbers.

# %%
problem = InnerLoop(Mixtures(), MultiLayerPerceptron((16,), jax.nn.relu, 0.3), RidgeObjective(), Length(20))
learner = MetaLearner((problem,), TruncatedBackprop(Population(8), Length(10)), optax.adam(0.1), averaging=0.9)
state = learner.init(Reasons(), jr.key(0))
losses, path = [], []
for _ in range(60):
    state, metrics = learner.step(state, jr.key(1))
    losses.append(float(metrics["meta_loss"]))
    path.append(np.asarray(state.average.coefficients))

before, after = (float(rollout_loss(problem, rule, jr.key(2), 64, 20)) for rule in (Reasons(), state.average))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
left.plot(losses)
left.set(xlabel="meta-step", ylabel="meta-loss")
for name, values in zip(REASONS, np.array(path).T):
    right.plot(values, label=name)
right.set(xlabel="meta-step", ylabel="coefficient")
right.legend(frameon=False)
plt.show()
print(f"On 64 fresh tasks the meta-loss goes from {before:.3f} (no change at all) to {after:.3f}.")

# %% [markdown]
# Put the class in a file, and the command line takes it: `metarule train --rule FILE:Reasons`.
