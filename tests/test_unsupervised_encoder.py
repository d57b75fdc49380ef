"""The transformer of scikit-learn: what scikit-learn asks of one, and that its features are the rule's."""

import pickle

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import metarule
import numpy as np
import pytest
from metarule import UnsupervisedEncoder
from metarule.errors import BadInput
from metarule.launch.features import _learner
from metarule.launch.options._networks import network
from metarule.launch.options._recipes import build, configuration_of, Lean
from metarule.launch.records._rule_file import load_rule, save_rule
from metarule.models import freeze, Views, ViewSizes
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks


RECORD = {"network": "3", "weight_scale": 0.5, "batch_size": 5, "evaluation_steps": 2}
# One term and little that mixes: less to compile.
TERMS = ("0_order", "1_order", "decorr_x", "large_decay", "lin_lower_symm", "lin_upper_psd", "lin_upper_symm", "rbf")
CHOICE = Lean(hidden=2, signal=1, readout=1, without=(*TERMS, "sqr_lower_symm", "sqr_upper_symm", "w_base"))
X = np.random.default_rng(0).normal(size=(40, 4)) * (1, 10, 0.1, 0) + 3


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A place with a rule file `rule.safetensors`, where the tests of this file run."""
    folder = tmp_path_factory.mktemp("rules")
    rule = CHOICE.build(jr.key(0))
    save_rule(folder / "rule.safetensors", rule, configuration_of(CHOICE), RECORD)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def encoder(**options):
    return UnsupervisedEncoder(**{"rule": "rule.safetensors", "random_state": 0, **options})


@parametrize_with_checks(
    [UnsupervisedEncoder("rule.safetensors"), UnsupervisedEncoder("rule.safetensors", skip=2, prototypes=5, memory=20)]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_it_is_the_rule_on_standardised_inputs():
    """Against the same thing written plainly."""
    rule, random = load_rule("rule.safetensors", build), np.random.RandomState(7)
    order = random.permutation(4)
    inputs = np.where(X.std(0) > 1e-9, (X - X.mean(0)) / np.maximum(X.std(0), 1e-9), 0)[:, order]
    model = network("6-3", "tanh", 0.5)((4,), jr.key(random.randint(2**31)))
    state = rule.init(model)
    update = eqx.filter_jit(rule.update)
    for _ in range(4):
        updates, state = update(model, jnp.asarray(inputs[random.randint(40, size=8)], jnp.float32), state)
        model = eqx.apply_updates(model, updates)
    expected, _ = freeze(model, jnp.asarray(inputs, jnp.float32))(jnp.asarray(inputs, jnp.float32))
    ours = encoder(network="6-3", activation="tanh", steps=4, batch_size=8, random_state=7)
    np.testing.assert_allclose(ours.fit_transform(X), expected, rtol=1e-4, atol=1e-4)


def test_the_file_says_what_is_not_said():
    plain = encoder().fit(X)
    said = encoder(network="3", activation="relu", steps=2, batch_size=5).fit(X)
    np.testing.assert_array_equal(plain.transform(X), said.transform(X))
    for change in ({"steps": 3}, {"batch_size": 6}, {"activation": "tanh"}, {"random_state": 1}, {"network": "4"}):
        other = encoder(**change).fit_transform(X)
        assert other.shape[1] == 4 if "network" in change else not np.allclose(other, plain.transform(X))


def test_a_row_stands_alone_and_labels_have_no_say():
    fitted = encoder().fit(X, np.arange(40))
    many = np.concatenate([X] * 30)
    np.testing.assert_array_equal(fitted.transform(many)[777:778], fitted.transform(many[777:778]))
    np.testing.assert_array_equal(fitted.transform(X), encoder().fit(X).transform(X))


def test_the_unit_of_a_column_makes_no_difference_unless_one_says_so():
    other = X * (2.0, 0.5, 4.0, 1.0) + 8
    np.testing.assert_allclose(encoder().fit_transform(X), encoder().fit_transform(other), rtol=1e-3, atol=1e-3)
    as_they_are = encoder(standardise=False)
    assert not np.allclose(as_they_are.fit_transform(X), as_they_are.fit_transform(other), atol=1e-2)


def test_bytes_are_scaled_to_one():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 4), dtype=np.uint8)
    scaled = encoder(standardise=False).fit_transform(pixels / 255)
    np.testing.assert_allclose(encoder().fit_transform(pixels), scaled, rtol=1e-5, atol=1e-6)


def test_other_numbers_of_steps_and_rows_compile_nothing_anew():
    encoder(steps=1).fit(X)
    compiled = _learner._advanced._cached._cache_size
    before = compiled()
    encoder(steps=6).fit(X[:30])
    assert compiled() == before
    encoder(batch_size=7).fit(X)
    assert compiled() == before + 1


def test_it_is_searched_over_in_a_pipeline():
    labels = (X[:, 1] > 3).astype(int)
    pipeline = make_pipeline(encoder(), RidgeClassifier())
    search = GridSearchCV(pipeline, {"unsupervisedencoder__steps": [0, 2]}, cv=2, error_score="raise").fit(X, labels)
    assert search.best_score_ > 0.4
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(X), search.best_estimator_.predict(X))


def test_its_features_have_names_and_a_clone_has_none():
    fitted = encoder().fit(X)
    assert list(fitted.get_feature_names_out()) == [f"rule{index}" for index in range(3)]
    assert fitted.n_features_in_ == 4 and fitted.coefs_[0].shape == (4, 3)
    assert not [name for name in vars(clone(fitted)) if name.endswith("_")]


def test_views_stand_beside_its_features():
    plain, fitted = encoder().fit(X), encoder(skip=2, prototypes=4, memory=30).fit(X)
    found, features = fitted.transform(X), plain.transform(X)
    expected = Views.of(jnp.asarray(fitted.preparation_(X)), jnp.asarray(features), ViewSizes(2, 4, 30))
    np.testing.assert_allclose(found, expected(jnp.asarray(fitted.preparation_(X)), jnp.asarray(features)), atol=1e-3)
    assert found.shape[1] == len(fitted.get_feature_names_out()) == 3 + 2 + 4 + 9 and plain.views_ is None
    np.testing.assert_array_equal(fitted.transform(np.concatenate([X] * 30))[777:778], fitted.transform(X[17:18]))
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(X), found)


def test_the_file_says_how_large_the_views_are(folder):
    save_rule(folder / "views.safetensors", CHOICE.build(jr.key(0)), configuration_of(CHOICE), {**RECORD, "skip": 2})
    assert encoder(rule="views.safetensors").fit_transform(X).shape[1] == 5
    assert encoder(rule="views.safetensors", skip=0).fit_transform(X).shape[1] == 3


@pytest.mark.parametrize(
    "options, message",
    [
        ({"skip": -1}, "skip must be 0 or more; got -1"),
        ({"memory": -2}, "memory must be 0 or more; got -2"),
        ({"prototypes": -1}, "prototypes must be 0 or more; got -1"),
        ({"rule": "absent"}, "There is no rule at absent"),
        ({"steps": -1}, "steps must be 0 or more"),
        ({"batch_size": 1}, "batch_size must be 2 or more"),
        ({"steps": 2.0}, "steps must be an integer; got 2.0"),
        ({"memory": "many"}, "memory must be an integer"),
        ({"network": 8}, "network must be a text; got 8"),
        ({"image_shape": 5}, "image_shape must be \\(height, width\\)"),
        ({"image_shape": (2.0, 2)}, "image_shape must be \\(height, width\\)"),
        ({"network": "3x3"}, "written as its layer widths"),
        ({"activation": "sine"}, "Unknown activation 'sine'"),
    ],
)
def test_what_cant_be_is_refused_when_it_is_fitted(options, message):
    unfitted = encoder(**options)
    with pytest.raises(BadInput, match=message):
        unfitted.fit(X)


def test_weights_that_are_not_finite_are_refused(folder):
    rule = eqx.tree_at(lambda it: it.log_step_size, CHOICE.build(jr.key(0)), jnp.asarray(jnp.inf))
    save_rule(folder / "wild.safetensors", rule, configuration_of(CHOICE), RECORD)
    with pytest.raises(BadInput, match="not finite after 2 steps"):
        encoder(rule="wild.safetensors").fit(X)


def test_every_name_of_the_package_is_there_and_no_other():
    assert all(hasattr(metarule, name) for name in metarule.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        metarule.absent
