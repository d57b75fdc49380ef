"""A transformer that a rule trains on texts, a token for each word: `python docs/text_transformer.py FILE.jsonl.gz`.

FILE has JSON lines with `text`, `label` and `split`, such as trec.jsonl.gz in the folder of data sets. Nothing but the
texts is used: a word's vector comes from which words stand near it. For the table of docs/convolution.md.
"""

import gzip
import json
import sys

import numpy as np
from metarule import UnsupervisedEncoder
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import randomized_svd


WORDS, NEAR, UNITS, LENGTH = 3000, 4, 32, 12
NETWORK, STEPS, SEEDS, LABELS, QUERIES = "attention1x1x32h2-mean", 200, 20, 10, 1000


def word_vectors(texts):
    """A vector of mean 0 and deviation 1 for each word: singular vectors of positive pointwise mutual information."""
    size = 1 + max(word for text in texts for word in text)
    near = np.zeros((size, size))
    for text in texts:
        for distance in range(1, NEAR + 1):
            np.add.at(near, (text[:-distance], text[distance:]), 1 / distance)
    joint = (near + near.T) / (2 * near.sum())
    smoothed = joint.sum(0) ** 0.75
    apart = joint.sum(1)[:, None] * smoothed / smoothed.sum()
    left, strength, _ = randomized_svd(np.log(np.maximum(joint, apart) / apart), UNITS, random_state=0)
    vectors = left * np.sqrt(strength)
    return (vectors - vectors.mean(0)) / vectors.std(0)


def as_images(texts, vectors):
    """Texts as images of one column, [text, word, 1, number]: the first words, and a short text again and again."""
    made = np.zeros((len(texts), LENGTH, 1, UNITS), np.float32)
    for image, text in zip(made, texts):
        if len(text):
            image[:, 0] = vectors[np.resize(text[:LENGTH], LENGTH)]
    return made


def main(file):
    lines = [json.loads(line) for line in gzip.open(file, "rt", encoding="utf8")]
    split = {name: [line for line in lines if line["split"] == name] for name in ("train", "test")}
    counter = CountVectorizer(max_features=WORDS, token_pattern=r"\w+|[^\w\s]").fit(
        line["text"] for line in split["train"]
    )
    words, known = counter.build_analyzer(), counter.vocabulary_
    texts = {
        name: [np.array([known[word] for word in words(line["text"]) if word in known], int) for line in own]
        for name, own in split.items()
    }
    vectors = word_vectors(texts["train"])
    train, test = (as_images(texts[name], vectors) for name in ("train", "test"))
    labels, answers = (np.array([line["label"] for line in split[name]]) for name in ("train", "test"))
    test, answers = test[:QUERIES], answers[:QUERIES]
    encoders = {
        "transformer, shipped rule": {"steps": STEPS},
        "transformer, random start": {"steps": 0},
        "mean of the word vectors": None,
    }
    scores = {name: [] for name in encoders}
    for seed in range(SEEDS):
        draw = np.random.default_rng(seed).permutation
        few = np.concatenate([draw(np.flatnonzero(labels == label))[:LABELS] for label in np.unique(labels)])
        for name, settings in encoders.items():
            features = lambda x: x.mean((1, 2))
            if settings is not None:
                encoder = UnsupervisedEncoder(
                    network=NETWORK, skip=0, prototypes=0, memory=0, random_state=seed, **settings
                )
                features = encoder.fit(train).transform
            readout = make_pipeline(StandardScaler(), RidgeClassifierCV(10.0 ** np.arange(-2, 5)))
            scores[name].append(readout.fit(features(train[few]), labels[few]).score(features(test), answers))
    for name, values in scores.items():
        print(f"{name:26} {100 * np.mean(values):.1f} ± {100 * np.std(values, ddof=1) / SEEDS**0.5:.1f}")
    gains = np.subtract(*(scores[name] for name in list(encoders)[:2]))
    print(f"rule above its start       {100 * gains.mean():+.1f} ± {100 * gains.std(ddof=1) / SEEDS**0.5:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
