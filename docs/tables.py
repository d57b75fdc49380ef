"""Every table of accuracies in README, docs/evaluation.md and the shipped rule's card, made from docs/results/.

`python docs/tables.py` writes each between the comments that name it, `<!-- table: NAME -->` and `<!-- end -->`;
with `--check` it only says which is out of date. The files in docs/results/ are what `metarule evaluate --json` wrote.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
from metarule.launch.evaluation._standings import bootstrapped, Scores, standings


CHECKOUT = Path(__file__).parents[1]
CARDS = "images", "universal", "plasticity", "convolutions"
PAGES = "README.md", "docs/evaluation.md", "docs/convolution.md", *(f"launch/pretrained/{name}.md" for name in CARDS)
FIVE = {
    "mnist14": "MNIST 14x14",
    "fashion_mnist14": "Fashion-MNIST 14x14",
    "imdb": "IMDB, 1,000 words",
    "pendigits": "pendigits",
    "cifar10_16": "CIFAR-10 16x16",
}
NAMES = {
    "meta-trained": "the rule",
    "untrained": "the rule before meta-training",
    "random-init": "its random start",
    "raw": "raw inputs",
    "pca": "principal components",
    "kmeans-256": "k-means, 256 centroids",
    "kmeans-256+pca": "k-means and components",
    "neighbours": "mean of nearest neighbours",
    "patch-pca": "patch PCA",
    "patch-kmeans": "patch k-means",
    "tfidf-svd-10": "TF-IDF, 10 components",
    "tfidf-svd-64": "TF-IDF, 64 components",
    "label-spreading": "label spreading (sees all test rows)",
    "umap-64": "UMAP (sees other test rows)",
}

ONLY_IN_DOCS = "untrained", "patch-kmeans", "tfidf-svd-64"


def rows(name):
    return json.loads((CHECKOUT / "docs" / "results" / f"{name}.json").read_text())


def table(head, lines):
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines))


def percent(accuracy, error):
    return f"{100 * accuracy:.1f} ± {100 * error:.1f}"


def bold(text, best):
    return f"**{text}**" if best else text


def readout(results, encoder, task, name):
    """The row of one encoder, data set and readout; None where it was not scored."""
    own = [r for r in results if (r["encoder"], r["task"], r["readout"]) == (encoder, task, name)]
    return own[0] if own else None


def standing(name):
    """How each encoder does over the data sets of a suite. The best rank, distance and accuracies are bold."""
    results = rows(name)
    found = standings(results)

    def interval(value, values, scale=1):
        text = f"{scale * value.mean:.1f} [{scale * value.low:.1f}, {scale * value.high:.1f}]"
        return bold(text, value.mean == min(each.mean for each in values))

    accuracy = {
        name: [100 * np.mean([r["accuracy"] for r in results if r["encoder"] == s.encoder and r["readout"] == name])
               for s in found]
        for name in ("ridge", "logistic")
    }  # fmt: skip
    head = ["encoder", "mean rank", "points below the best", "within 1 s.e. of the best", "below raw by over 1 s.e."]
    lines = [
        [s.encoder, interval(s.rank, [each.rank for each in found])]
        + [interval(s.distance, [each.distance for each in found], 100)]
        + [f"{s.near_best} of {s.tasks}", str(s.below_raw)]
        + [bold(f"{own[k]:.1f}", own[k] == max(own)) for own in accuracy.values()]
        for k, s in enumerate(found)
    ]
    return table([*head, "ridge, %", "logistic, %"], lines)


def sets(name):
    """The mean of both readouts on each data set of a suite. The best is bold."""
    scores = Scores.of(rows(name))
    lines = [
        [task, *(bold(percent(m, e), m.round(6) == mean.max().round(6)) for m, e in zip(mean, errors))]
        for task, mean, errors in zip(scores.tasks, scores.mean, scores.standard_error)
    ]
    return table(["data set", *scores.encoders], lines)


def both(tasks, features, rule=None):
    """Both readouts of every encoder, with those that see other test rows, on some of the data sets held out.

    `rule` maps encoders of this table to those of docs/results/other-rules.json whose rows stand in their place.
    """
    own = {new: old for old, new in (rule or {}).items()}
    others = [r for r in rows("held-out") + rows("other-rows") if r["encoder"] not in own.values()]
    results = others + [{**r, "encoder": own[r["encoder"]]} for r in rows("other-rules") if r["encoder"] in own]

    def cell(encoder, task):
        pair = [readout(results, encoder, task, name) for name in ("ridge", "logistic")]
        return " / ".join(percent(r["accuracy"], r["stderr"]) for r in pair if r)

    def counts(encoder):
        found = {r["features"] for r in results if r["encoder"] == encoder and r["task"] in tasks}
        return ", ".join(f"{n:,}" for n in sorted(found))

    head = ["encoder", *(["features"] if features else []), *(FIVE[task] for task in tasks)]
    lines = [[n, *([counts(e)] if features else []), *(cell(e, task) for task in tasks)] for e, n in NAMES.items()]
    return table(head, lines)


def front():
    """README's: ridge on four data sets, and the mean distance to the best over both suites. The best is bold."""
    results, tasks = rows("held-out") + rows("other-rows"), list(FIVE)[:4]
    far = [{s.encoder: s.distance.mean for s in standings(rows(name))} for name in ("held-out", "development")]
    found = {e: [readout(results, e, task, "ridge") for task in tasks] for e in NAMES if e not in ONLY_IN_DOCS}
    most = [max(round(own[k]["accuracy"], 3) for own in found.values() if own[k]) for k in range(len(tasks))]
    least = [min(each.values()) for each in far]

    def cell(row, best):
        return bold(percent(row["accuracy"], row["stderr"]), round(row["accuracy"], 3) == best) if row else ""

    lines = [
        [NAMES[e]]
        + [cell(row, best) for row, best in zip(own, most)]
        + [bold(f"{100 * d[e]:.1f}", d[e] == low) if e in d else "" for d, low in zip(far, least)]
        for e, own in found.items()
    ]
    return table(["encoder", *(FIVE[task] for task in tasks), "below best: held-out", "development"], lines)


STARTS = {"untrained": "before meta-training", "random-init": "random start"}


def seeds(scored):
    """What meta-training is worth: each meta-trained rule against the rule before it and its random start, on both
    suites. Intervals are over data sets; those of a distribution are of the mean of its meta-seeds."""
    names = "development", "held-out"
    suites = [tuple(dict.fromkeys(r["task"] for r in rows(name))) for name in names]

    def own(encoder, suite):
        """Accuracy on each data set of a suite, if it was scored there."""
        mine = [r for r in scored if r["encoder"] == encoder and r["task"] in suite]
        return Scores.of(mine).mean[:, 0] if mine else None

    def gain(values, suite, encoder):
        if any(value is None for value in values):
            return ""
        return change(np.mean(values, 0), own(encoder, suite))

    rules = list(dict.fromkeys(r["encoder"] for r in scored if ", seed" in r["encoder"]))
    kinds = dict.fromkeys(rule.split(",")[0] for rule in rules)
    groups = {rule: [rule] for rule in rules}
    groups |= {f"{kind}, all seeds": [rule for rule in rules if rule.startswith(kind)] for kind in kinds}
    other = "before meta-training", "random start"
    cells = lambda group: [gain([own(rule, s) for rule in group], s, e) for s in suites for e in other]
    head = [f"{name}: against {e}" for name in names for e in other]
    return table(["rule", *head], [[name, *cells(group)] for name, group in groups.items()])


def universal():
    """The same for the shipped rule, whose seed 0 is in the tables of the suites."""
    new = {"meta-trained": "universal, seed 0", **STARTS}
    first = rows("development") + rows("held-out")
    return seeds([{**r, "encoder": new[r["encoder"]]} for r in first if r["encoder"] in new] + rows("universal-seeds"))


def change(new, old):
    """The difference of accuracies of the same data sets, in points, with its interval over data sets."""
    (found,) = bootstrapped((np.asarray(new) - np.asarray(old))[:, None])
    return f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def parts():
    """What each part beside the features is worth over the development sets, for the rule and its random start."""
    scored, encoders = rows("development") + rows("parts"), ("meta-trained", "random-init")
    mean = lambda encoder: Scores.of([r for r in scored if r["encoder"] == encoder]).mean[:, 0]
    whole = {encoder: mean(encoder) for encoder in encoders}
    lines = [["all parts", *(f"{100 * each.mean():.1f}" for each in whole.values())]]
    for name in ("without skip path", "without prototypes", "without memory", "nothing beside"):
        left = {encoder: mean(f"{encoder}, {name}") for encoder in encoders}
        lines.append([name, *(f"{100 * left[e].mean():.1f} ({change(left[e], whole[e])})" for e in encoders)])
    return table(["beside the features", "the rule", "its random start"], lines)


RELATIONS = {
    "lean": "`lean`",
    "Pairs": "with an error signal from pairs of the batch",
    "Twins": "the same, and a masked copy of each row as its partner",
    "Partners": "the same, and the nearest of 2,000 past inputs as its partner",
    "momentum": "with momentum (`--rule.momentum 0.9`)",
}


def relations():
    """What rules that see relations are worth alone: each data set, the mean, and the change, paired by meta-seed."""
    scored = rows("relations")
    tasks = list(dict.fromkeys(r["task"] for r in scored))
    found = {}
    for name in RELATIONS:
        own = [[r for r in scored if r["encoder"] == f"{name}, seed {k}"] for k in range(3)]
        found[name] = np.stack([Scores.of(each).mean[:, 0] for each in own if each])  # [meta-seed, data set]

    def line(name):
        own = found[name]
        changed = "" if name == "lean" else change(own.mean(0), found["lean"][: len(own)].mean(0))
        each = ", ".join(f"{100 * value:.1f}" for value in own.mean(1))
        return [RELATIONS[name], *(f"{100 * v:.1f}" for v in own.mean(0)), f"{100 * own.mean():.1f}", each, changed]

    return table(["rule", *tasks, "mean", "of each meta-seed", "change"], [line(name) for name in RELATIONS])


CONVOLUTIONS = {
    "convolutions": "the rule `convolutions` and what stands beside it",
    "universal": "the rule `default` and the same beside it",
    "images": "the rule `images` and the same beside it",
    "random-init": "random convolution and the same beside it",
    "supervised": "a convolution trained on the 100 labels",
    "denoising": "a convolution as a denoising autoencoder",
    "patch-kmeans": "patch k-means",
    "patch-kmeans-whitened": "patch k-means, whitened",
    "patch-pca": "patch PCA",
    "raw": "raw pixels",
}


def convolutions():
    """Both readouts of every encoder on larger images, with one convolution. The best is bold."""
    results = rows("convolutions")
    tasks = {"mnist28": "MNIST", "fashion_mnist28": "Fashion-MNIST", "cifar10_32": "CIFAR-10"}

    def cell(encoder, task):
        pair = [readout(results, encoder, task, name) for name in ("ridge", "logistic")]
        if not all(pair):
            return ""
        best = max(r["accuracy"] for r in results if r["task"] == task)
        accuracies = " / ".join(percent(r["accuracy"], r["stderr"]) for r in pair)
        return bold(accuracies, best in [r["accuracy"] for r in pair])

    lines = [[label, *(cell(encoder, task) for task in tasks)] for encoder, label in CONVOLUTIONS.items()]
    return table(["encoder", *tasks.values()], lines)


TABLES = {
    "meta-seeds": lambda: seeds(rows("meta-seeds")),
    "meta-seeds universal": universal,
    "parts": parts,
    "relations": relations,
    "standings held-out": lambda: standing("held-out"),
    "standings development": lambda: standing("development"),
    "sets held-out": lambda: sets("held-out"),
    "sets development": lambda: sets("development"),
    "five sets": lambda: both(list(FIVE), features=True),
    "four sets": lambda: both(list(FIVE)[:4], features=False),
    "four sets, images": lambda: both(list(FIVE)[:4], False, {"meta-trained": "images"}),
    "four sets, plasticity": lambda: both(
        list(FIVE)[:4], False, {"meta-trained": "plasticity", "untrained": "plasticity, before"}
    ),
    "convolutions": convolutions,
    "front": front,
}


def main(arguments):
    stale = []
    for page in PAGES:
        text = (CHECKOUT / page).read_text()
        new = re.sub(
            r"(<!-- table: ([^>]*?) -->\n).*?(<!-- end -->)",
            lambda m: f"{m[1]}{TABLES[m[2]]()}\n{m[3]}",
            text,
            flags=re.S,
        )
        if new != text:
            stale.append(page)
            if "--check" not in arguments:
                (CHECKOUT / page).write_text(new)
    for page in stale:
        print(f"{page}: {'out of date' if '--check' in arguments else 'written'}")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
