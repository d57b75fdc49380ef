"""Every ingredient of a rule can be left out by its name, and it matters that it is gone."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.options._ingredients import INGREDIENTS, LATERAL, leave_out, MONOMIALS, terms_of
from metarule.launch.options._recipes import (
    Bidirectional,
    build,
    configuration_of,
    Lean,
    LocalLoss,
    Polynomial,
    Released,
)
from metarule.models import Activity, MultiLayerPerceptron, Trace


# As in the tests of rules: few sizes, and no step is compiled as a whole.
MODEL = MultiLayerPerceptron((5, 4), jax.nn.relu, weight_scale=0.5)((5,), jr.key(1))
X = jr.normal(jr.key(5), (6, 5))
SIZES = dict(hidden=4, signal=2, readout=1, without=())
FULL = {
    "lean": Lean(**SIZES),
    "wide": Lean(width=3, **SIZES),
    "released": Released(4, top_hidden=4, step_size=0.03, **SIZES),
    "bidirectional": Bidirectional(hidden=4),
    "polynomial": Polynomial(),
    "local-loss": LocalLoss(hidden=4),
}
TERMS = tuple(INGREDIENTS)[:12]


@pytest.fixture(scope="module")
def full():
    rules = {name: choice.build(jr.key(0)) for name, choice in FULL.items()}
    return {name: (rule, update_of(rule)) for name, rule in rules.items()}


def update_of(rule, model=MODEL, x=X):
    return rule.update(model, x, rule.init(model))[0]


def count(rule):
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(rule, eqx.is_inexact_array)))


def distance(one, other):
    return max(float(jnp.abs(a - b).max()) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other)))


OTHERS = {*MONOMIALS, "monomials", "unit_loss", "pair_loss"}  # Parts of other encodings.
HAS = {
    "lean": {*INGREDIENTS} - OTHERS - {"momentum", "batch_mixing"},  # A width of 1, no memory.
    "released": {*INGREDIENTS} - OTHERS - {"momentum"},
    "bidirectional": {"unit_mixing", "separate_feedback", "decay"},
    "polynomial": {*MONOMIALS, "monomials", "projection", "growth", "decay"}
    | {"hebb", "decorr_x", "w_base", "large_decay"},
    "local-loss": {"unit_loss", "pair_loss", "decay"},
}


@pytest.mark.parametrize("kind, name", [(kind, name) for kind in HAS for name in INGREDIENTS if name in HAS[kind]])
def test_leaving_out(name, kind, full):
    rule, update = full[kind]
    reduced = leave_out(rule, (name,))
    assert type(reduced) is type(rule) and count(reduced) <= count(rule)
    other = update_of(reduced)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(other))
    assert distance(update, other) > 1e-5  # Rounding is a hundred times less.


@pytest.mark.parametrize("kind", HAS)
def test_leaving_out_what_is_not_there_changes_nothing(kind, full):
    rule, _ = full[kind]
    for name in INGREDIENTS.keys() - HAS[kind]:
        assert eqx.tree_equal(leave_out(rule, (name,)), rule), name


@pytest.mark.parametrize("kind", ["lean", "released"])
def test_what_is_gone_owns_no_parameter(kind, full):
    rule, _ = full[kind]
    for name in (*TERMS, "lateral", "weight_statistics", "unit_identity", "bias_input", "error_signal", "unit_mixing"):
        assert count(leave_out(rule, (name,))) < count(rule), name
    assert count(leave_out(full["wide"][0], ("batch_mixing",))) == count(full["lean"][0])
    assert count(leave_out(full["released"][0], ("batch_mixing",))) < count(full["released"][0])


@pytest.mark.parametrize("kind", ["lean", "released"])
def test_every_term_has_a_name_of_its_own(kind, full):
    rule, _ = full[kind]
    terms = [type(term) for term in rule.weight_change.terms]
    gone = []
    for name in TERMS:
        left = [type(term) for term in leave_out(rule, (name,)).weight_change.terms]
        gone += [term for term in terms if term not in left]
        assert left == [term for term in terms if term != gone[-1]]
    assert sorted(gone, key=str) == sorted(terms, key=str)


def test_a_term_put_back_is_the_rule_as_it_was(full):
    """The first term is left out and added again, as the last one, with the coefficient that it had."""
    rule, _ = full["lean"]
    rule = eqx.tree_at(lambda it: it.weight_change.coefficients, rule, replace_fn=lambda c: c.at[0].set(0.3))
    changes, update = rule.weight_change, update_of(rule)
    reduced = eqx.tree_at(
        lambda it: (it.weight_change.terms, it.weight_change.coefficients),
        rule,
        (changes.terms[1:], changes.coefficients[1:]),
    )
    again = reduced.with_term(changes.terms[0], float(changes.coefficients[0]))
    assert distance(update_of(reduced), update) > 1e-5 and distance(update_of(again), update) < 1e-6


def test_lateral_is_the_lateral_terms(full):
    rule, _ = full["lean"]
    names = [name for name in TERMS if "_lower_" in name or "_upper_" in name]
    together, singly = leave_out(rule, ("lateral",)), leave_out(rule, tuple(names))
    assert eqx.tree_equal(together, singly) and len(together.weight_change.terms) == len(TERMS) - len(LATERAL)
    assert not any(isinstance(term, LATERAL) for term in together.weight_change.terms)


@pytest.mark.parametrize("kind", ["wide", "released"])
def test_without_batch_mixing_the_order_of_a_batch_does_not_matter(kind, full):
    rule, update = full[kind]
    order = jnp.array([3, 0, 5, 1, 4, 2])
    assert distance(update, update_of(rule, x=X[order])) > 1e-3
    apart = leave_out(rule, ("batch_mixing",))
    assert distance(update_of(apart), update_of(apart, x=X[order])) < 1e-5


def test_without_unit_identity_units_are_interchangeable(full):
    """A rule that does not know a unit's index changes renamed units in the same way."""
    rule, update = full["lean"]
    order = jnp.array([2, 0, 4, 1, 3])
    names = lambda it: (*[getattr(it.layers[0].synapses[0], f) for f in "wbv"], *[
        getattr(it.layers[1].synapses[0], f) for f in "wv"
    ])  # fmt: skip

    def rename(tree):
        (w, b, v), (upper_w, upper_v) = names(tree)[:3], names(tree)[3:]
        return eqx.tree_at(names, tree, (w[:, order], b[order], v[:, order], upper_w[order], upper_v[order]))

    assert distance(rename(update), update_of(rule, rename(MODEL))) > 1e-3
    local = leave_out(rule, ("unit_identity",))
    assert distance(rename(update_of(local)), update_of(local, rename(MODEL))) < 1e-5


def test_without_unit_mixing_only_weights_connect_units(full):
    """Top error signals come from each feature alone."""
    rule, _ = full["lean"]
    features = jr.normal(jr.key(7), (6, 4))
    other = features.at[:, 0].set(features[::-1, 0])  # Its mean and variance over the batch stay the same.

    def top(rule, features):
        model = Trace((features,), ((Activity(features, features, features),),), ((None,),))
        return rule.top(model, None)[0].first

    moved = lambda rule: jnp.abs(top(rule, features) - top(rule, other))[..., 1:].max()
    assert moved(rule) > 1e-3
    assert moved(leave_out(rule, ("unit_mixing",))) < 1e-5


def test_without_projection_weights_may_shrink(full):
    """Along the scaled weights, the merged change of a rule with the projection does not point inwards."""
    rule, _ = full["lean"]
    bare = leave_out(rule, ("growth", "decay"))
    only_decay = leave_out(bare, tuple(name for name in TERMS if name != "w_base"))
    step = update_of(only_decay).layers[0].synapses[0].w
    np.testing.assert_allclose(step, 0, atol=1e-5)  # Decay of the weights is all that this rule wants.
    step = update_of(leave_out(only_decay, ("projection",))).layers[0].synapses[0].w
    assert (step * MODEL.layers[0].synapses[0].w).sum() < -1e-3


def test_without_decay_the_rest_is_the_same(full):
    rule, update = full["lean"]
    step_size = jnp.exp(rule.log_step_size)
    other = update_of(leave_out(rule, ("decay",)))
    expected = jax.tree.map(lambda change, p: change + step_size * p, update, MODEL)
    assert distance(other, expected) < 1e-6


@pytest.mark.parametrize("kind", ["lean", "released"])
def test_all_but_the_least(kind, full):
    rule, _ = full[kind]
    names = tuple(name for name in INGREDIENTS if name != "hebb")
    for order in (names, names[::-1]):
        reduced = leave_out(rule, order)
        assert [type(term).__name__ for term in reduced.weight_change.terms] == ["Hebbian"]
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(update_of(reduced)))
    assert eqx.tree_equal(leave_out(rule, names), leave_out(rule, names[::-1]))


def test_a_separate_feedback_change_loses_the_same_terms():
    rule = Released(4, top_hidden=4, separate_feedback_change=True, **SIZES).build(jr.key(0))
    reduced = leave_out(rule, ("hebb", "projection"))
    assert len(reduced.feedback_change.terms) == len(reduced.weight_change.terms) == 11
    assert reduced.feedback_change.shrinkage == reduced.weight_change.shrinkage == 1
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(update_of(reduced)))


def test_a_rule_without_any_term_is_refused(full):
    for name, (rule, _) in full.items():
        if terms_of(rule):
            with pytest.raises(BadInput, match="at least one weight-change term"):
                leave_out(rule, terms_of(rule))
        assert count(leave_out(rule, ())) == count(rule)
    with pytest.raises(BadInput, match="A local loss needs at least one part"):
        leave_out(full["local-loss"][0], ("unit_loss", "pair_loss"))


def test_an_unknown_ingredient_lists_the_known(full):
    with pytest.raises(BadInput, match="'salt'") as refusal:
        leave_out(full["lean"][0], ("hebb", "salt"))
    assert all(name in str(refusal.value) for name in INGREDIENTS)


@pytest.mark.parametrize("kind", FULL)
def test_a_rule_file_says_what_is_left_out(kind):
    choice = FULL[kind]
    for names in ((), ("lateral", "unit_identity")):
        chosen = type(choice)(**{**vars(choice), "without": names})
        rebuilt = build(configuration_of(chosen), jr.key(3))
        assert eqx.tree_equal(rebuilt, chosen.build(jr.key(3)))
