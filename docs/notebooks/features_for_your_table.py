# %% [markdown]
# # Features for your table, in ten lines
#
# **Question: does a meta-trained rule make better features of my table than the table itself, if I have few labels?**
#
# The rule that comes with Metarule trains a small network on the rows, without labels. A linear readout gets ten labels
# of each class. Put your own `x` and `y` where the three tables of scikit-learn are.

# %%
import matplotlib.pyplot as plt
import numpy as np
from metarule import UnsupervisedEncoder
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def accuracies(features, y, seeds=20, labels=10):
    """Accuracy of a ridge readout on all other rows, for several draws of labelled rows."""
    found = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(y))
        few = np.concatenate([order[y[order] == each][:labels] for each in np.unique(y)])
        rest = np.setdiff1d(order, few)
        readout = RidgeClassifierCV(alphas=np.logspace(-2, 3, 11)).fit(features[few], y[few])
        found.append(readout.score(features[rest], y[rest]))
    return np.array(found)


# %% [markdown]
# ## The ten lines

# %%
tables = {"digits": load_digits, "wine": load_wine, "breast cancer": load_breast_cancer}
results = {}
for name, read in tables.items():
    x, y = read(return_X_y=True)
    encoders = {
        "columns, standardised": StandardScaler(),
        "principal components": make_pipeline(StandardScaler(), PCA(0.95)),
        "rule": UnsupervisedEncoder(random_state=0),
    }
    results[name] = {encoder: accuracies(each.fit_transform(x), y) for encoder, each in encoders.items()}

# %% [markdown]
# ## What it gives
# Each bar is the mean over 20 draws of ten labelled rows for each class, with two standard errors.

# %%
figure, axes = plt.subplots(1, len(results), figsize=(9, 2.8), sharey=True, layout="constrained")
for axis, (name, found) in zip(axes, results.items()):
    for place, (encoder, accuracy) in enumerate(found.items()):
        error = 2 * accuracy.std(ddof=1) / len(accuracy) ** 0.5
        axis.bar(place, 100 * accuracy.mean(), yerr=100 * error, capsize=4, label=encoder)
    axis.set(title=name, xticks=[], ylim=(70, 100))
axes[0].set_ylabel("accuracy, %")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
plt.show()

# %%
gains = {name: 100 * (found["rule"] - found["columns, standardised"]) for name, found in results.items()}
for name, gain in gains.items():
    error = gain.std(ddof=1) / len(gain) ** 0.5
    verdict = "worth it" if gain.mean() > 2 * error else "not worth it: use the columns"
    print(f"{name}: the rule is {gain.mean():+.1f} ± {error:.1f} points beside the columns themselves; {verdict}.")

# %% [markdown]
# Tables whose classes lie along straight lines gain nothing: there the columns are hard to beat, and the notebook says
# so. `metarule evaluate --tasks mydata.csv:label` makes the same comparison with more opponents.
