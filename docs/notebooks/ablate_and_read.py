# %% [markdown]
# # Ablate a rule, and read it
#
# **Question: which parts of a meta-trained rule does it use?**
#
# A learned rule is a sum of terms. Here one at a time is taken out of the shipped rule, which then trains a base model
# on digits; a ridge readout with ten labels of each class says what is lost. Skip path and memory are off: this is the
# rule alone.

# %%
import matplotlib.pyplot as plt
import metarule
import numpy as np
from metarule import rules
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifierCV


TERMS = {
    "hebb": rules.Hebbian,
    "decorr_x": rules.Decorrelation,
    "0_order": rules.ZerothOrder,
    "1_order": rules.FirstOrder,
    "lin_upper_symm": rules.UpperLateral,
    "w_base": rules.WeightDecay,
}
x, y = load_digits(return_X_y=True)
whole = metarule.pretrained()
variants = {"whole": whole, **{f"no {name}": rules.without_terms(whole, kind) for name, kind in TERMS.items()}}
print(len(whole.weight_change.terms), "terms with coefficients", np.round(whole.weight_change.coefficients, 2))

# %% [markdown]
# ## Take one out at a time


# %%
def accuracy(features, seed):
    """On all other digits, of a ridge readout from ten of each class."""
    order = np.random.default_rng(seed).permutation(len(y))
    few = np.concatenate([order[y[order] == each][:10] for each in range(10)])
    readout = RidgeClassifierCV(alphas=np.logspace(-3, 3, 13)).fit(features[few], y[few])
    return readout.score(np.delete(features, few, 0), np.delete(y, few))


found, weights = {}, {}
for name, rule in variants.items():
    scores = []
    for seed in range(3):
        encoder = metarule.UnsupervisedEncoder(
            rule, network="32-32", steps=100, skip=0, prototypes=0, memory=0, random_state=seed
        )
        scores.append(np.mean([accuracy(encoder.fit_transform(x), draw) for draw in range(5)]))
    found[name], weights[name] = np.array(scores), encoder.coefs_[0]

# %%
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
for place, (name, scores) in enumerate(found.items()):
    axis.barh(place, 100 * scores.mean(), xerr=100 * scores.std(ddof=1), color="#0072B2" if place else "#333333")
axis.set(yticks=range(len(found)), yticklabels=found, xlabel="accuracy on digits, %; bars: deviation of 3 base models")
axis.invert_yaxis()
plt.show()

# %% [markdown]
# ## What the weights look like
# The first layer's strongest filters, with and without Hebb's term.

# %%
figure, axes = plt.subplots(2, 8, figsize=(8, 2.4), layout="constrained")
for row, name in zip(axes, ("whole", "no hebb")):
    strongest = np.argsort(-(weights[name] ** 2).sum(0))[:8]
    for axis, unit in zip(row, strongest):
        axis.imshow(weights[name][:, unit].reshape(8, 8), cmap="RdBu")
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
plt.show()

# %%
losses = {name: 100 * (found["whole"] - scores).mean() for name, scores in found.items()}
worst = max(losses, key=losses.get)
print(f"The rule alone has {100 * found['whole'].mean():.1f}%. Most costly: {worst}, {losses[worst]:.1f} points.")

# %% [markdown]
# A rule that is meta-trained *without* a term makes up for most of this: `metarule ablate` does that too.
