"""Features belong to the columns of the data, whatever order a base model saw them in while it was fitted."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array
from metarule.launch.encoders._encoder import EncoderInputs
from metarule.launch.encoders._fitted import Fitted
from metarule.models import MultiLayerPerceptron
from metarule.rules import AbstractRule


GENERATOR = np.random.default_rng(0)
COLUMNS = 7
EXAMPLE = GENERATOR.normal(size=COLUMNS).astype(np.float32)
ROWS = GENERATOR.normal(size=(12, COLUMNS)).astype(np.float32)


class Recall(AbstractRule):
    """Makes the mean of a batch the weights of every unit."""

    unit: Array

    def init(self, model):
        return None

    def update(self, model, x, state):
        new = lambda leaf: jnp.broadcast_to(self.unit * x.mean(0)[:, None], leaf.shape) if leaf.ndim == 2 else 0 * leaf
        return jax.tree.map(lambda leaf: new(leaf) - leaf, model), None


def features(statistics, train, seed, order=slice(None)):
    """What a base model of one linear layer makes of the rows after it has recalled the train examples."""
    architecture = MultiLayerPerceptron((2,), lambda x: x)
    encoder = Fitted(Recall(jnp.ones(())), architecture, jnp.asarray(2), 4, statistics)
    train, rows = jnp.asarray(train)[:, order], jnp.asarray(ROWS)[:, order]
    problem = EncoderInputs(train, rows[:5], jnp.arange(5) % 2, rows[5:], 2)
    return np.concatenate(eqx.filter_jit(encoder)(problem, jr.key(seed)))


def standardised(values):
    return (values - values.mean()) / np.sqrt(values.var() + 1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_features_look_at_the_columns_that_the_base_model_was_fitted_to(seed):
    """A rule that saw one example again and again leaves a projection on it: on its own columns, not on others."""
    found = features("batch", np.tile(EXAMPLE, (6, 1)), seed)
    along = ROWS @ EXAMPLE
    np.testing.assert_allclose(found, np.tile(standardised(along)[:, None], 2), rtol=1e-4, atol=1e-4)


def test_frozen_statistics_are_of_the_same_columns():
    """A row that is the example itself would have features of zero: it is what the statistics were taken of."""
    train = np.tile(EXAMPLE, (6, 1))
    found = features("frozen", train, 0)  # Of one example the features never vary, so that only the mean counts.
    along = (ROWS - EXAMPLE) @ EXAMPLE
    np.testing.assert_allclose(found[:, 0] / found[0, 0], along / along[0], rtol=1e-3)


def test_the_order_of_the_columns_changes_nothing_but_chance():
    """Columns that change places in all of the data leave a rule that recalls them where it was."""
    order = np.roll(np.arange(COLUMNS), 3)
    train = np.tile(EXAMPLE, (6, 1))
    np.testing.assert_allclose(features("batch", train, 0), features("batch", train, 0, order), rtol=1e-4, atol=1e-4)
