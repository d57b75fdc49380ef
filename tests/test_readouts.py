import jax
import jax.numpy as jnp
import numpy as np
import pytest
from metarule.tasks import (
    accuracy,
    as_inputs,
    few_shot_indices,
    load,
    logistic_scores,
    PrincipalAxes,
    ridge_errors,
    ridge_scores,
)
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import LeaveOneOut


def few_shot(seed):
    """Support inputs and labels, query inputs and labels."""
    digits = load("digits")
    support, query = few_shot_indices(digits, seed, 5, 40)
    return (
        as_inputs(digits.train_x[support]),
        digits.train_y[support].astype(np.int32),
        as_inputs(digits.test_x[query]),
        digits.test_y[query].astype(np.int32),
    )


def axes_of(support, query):
    return PrincipalAxes.of(jnp.asarray(support), jnp.asarray(query))


def test_ridge_chooses_its_penalty_and_predicts_as_scikit_learn_does():
    x, y, query, _ = few_shot(0)
    targets = jax.nn.one_hot(y, 10)
    penalties = tuple(10.0**power for power in range(-4, 3))
    scores = jax.jit(lambda axes: ridge_scores(axes, targets, penalties))(axes_of(x, query))
    centred = x.astype(np.float64) - x.mean(0)
    oracle = RidgeCV(np.array(penalties) * (centred**2).sum() / len(x)).fit(centred, targets)
    np.testing.assert_allclose(scores, oracle.predict(query - x.mean(0)), atol=1e-4)


def test_ridge_errors_are_those_of_examples_left_out():
    x, y, query, _ = few_shot(0)
    targets = np.asarray(jax.nn.one_hot(y, 10))
    errors = ridge_errors(axes_of(x, query), jnp.asarray(targets), (0.01, 1.0))
    total = (x.astype(np.float64) - x.mean(0)).var(0).sum()
    for share, error in zip((0.01, 1.0), errors):
        residuals = [
            targets[one] - Ridge(share * total).fit(x[rest], targets[rest]).predict(x[one])
            for rest, one in LeaveOneOut().split(x)
        ]
        np.testing.assert_allclose(error, (np.array(residuals) ** 2).sum(), rtol=2e-3)


@pytest.mark.parametrize("inverse_penalty", [1.0, 0.03])
def test_logistic_agrees_with_scikit_learn(inverse_penalty):
    x, y, query, _ = few_shot(1)
    targets = jax.nn.one_hot(y, 10)
    scores = jax.jit(lambda axes: logistic_scores(axes, targets, inverse_penalty))(axes_of(x, query))
    scale = np.sqrt(32 / x.astype(np.float64).var(0).sum())
    oracle = LogisticRegression(C=inverse_penalty, tol=1e-8, max_iter=5000).fit(x * scale, y)
    np.testing.assert_allclose(np.exp(scores), oracle.predict_proba(query * scale), atol=1e-3)


@pytest.mark.parametrize("score", [ridge_scores, logistic_scores])
def test_readouts_ignore_the_scale_of_the_features_and_map_over_seeds(score):
    problems = [few_shot(seed) for seed in (0, 1)]
    x, y, query, labels = (jnp.stack(parts) for parts in zip(*problems))

    @jax.jit
    @jax.vmap
    def many(x, y, query, labels):
        return accuracy(score(PrincipalAxes.of(x, query), jax.nn.one_hot(y, 10)), labels)

    plain, scaled = many(x, y, query, labels), many(1000 * x + 3, y, 1000 * query + 3, labels)
    assert plain.shape == (2,) and (plain > 0.7).all()
    np.testing.assert_allclose(plain, scaled, atol=0.051)


def test_constant_features_leave_a_readout_at_chance_not_at_nan():
    x, y = jnp.ones((20, 3)), jnp.repeat(jnp.arange(2), 10)
    axes, targets = axes_of(x, x), jax.nn.one_hot(y, 2)
    assert np.isfinite(ridge_scores(axes, targets)).all()
    np.testing.assert_allclose(logistic_scores(axes, targets), np.log(0.5), atol=1e-4)


def test_the_query_set_has_no_say_in_the_penalty():
    x, y, query, _ = few_shot(2)
    targets = jax.nn.one_hot(y, 10)
    together, few = (ridge_scores(axes_of(x, each), targets) for each in (query, query[:7]))
    np.testing.assert_allclose(together[:7], few, atol=1e-5)


def test_support_and_query_come_from_their_own_splits_evenly_and_by_seed():
    digits = load("digits")
    support, query = few_shot_indices(digits, 3, 4, 100)
    assert (np.bincount(digits.train_y[support]) == 4).all() and len(set(support.tolist())) == 40
    assert len(set(query.tolist())) == 100 and query.max() < len(digits.test_y)
    again, other = few_shot_indices(digits, 3, 4, 100), few_shot_indices(digits, 4, 4, 100)
    assert (again[0] == support).all() and (again[1] == query).all() and (other[0] != support).any()
