# %% [markdown]
# # Transfer to IMDB
#
# **Question: does a rule that was meta-trained on images learn anything from the words of film reviews?**
#
# The reviews are not part of Metarule. Where they are missing (`metarule data list` says where they belong, and
# `METARULE_DATA` names the folder), the notebook says so and takes made-up texts of 20 topics instead.

# %%
import matplotlib.pyplot as plt
import metarule
from metarule.tasks import known


there = any(each.name == "imdb" and each.present for each in known())
task = "imdb" if there else "topics20"
print("IMDB is here." if there else "IMDB is not here: this run shows made-up texts of 20 topics instead.")

# %%
STEPS = (10, 50, 200)
rows = metarule.evaluate(
    "default", tasks=task, encoders=("random-init", "raw", "pca"), readouts=("ridge",), steps=STEPS, seeds=3,
    queries=500, unlabelled=2000, skip=0, prototypes=0, memory=0,
)  # fmt: skip
accuracy = {(row["encoder"], row["steps"]): (100 * row["accuracy"], 100 * row["stderr"]) for row in rows}

# %% [markdown]
# ## Along the inner loop
# The rule alone, without skip path and memory: ten labels for each class, three seeds, two standard errors.

# %%
figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
mean, error = zip(*(accuracy["meta-trained", steps] for steps in STEPS))
axis.errorbar(STEPS, mean, [2 * each for each in error], marker="o", capsize=3, label="meta-trained")
for (name, _), (mean, _) in accuracy.items():
    if name != "meta-trained":
        axis.axhline(mean, linestyle="--", color={"raw": "#333333", "pca": "#D55E00"}.get(name, "#999999"), label=name)
axis.set(xscale="log", xlabel="inner steps", ylabel=f"accuracy on {task}, %")
axis.legend(frameon=False)
plt.show()

# %%
best = accuracy["meta-trained", STEPS[-1]][0]
others = {name: mean for (name, _), (mean, _) in accuracy.items() if name != "meta-trained"}
told = ", ".join(f"{best - mean:+.1f} beside {name}" for name, mean in others.items())
print(f"{task}: {best:.1f}% after {STEPS[-1]} steps: {told} (points).")
