"""The checks of tasks, wires and architectures pass for what is built in, and name what is wrong with others."""

import itertools
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.models import (
    AbstractArchitecture,
    AbstractWire,
    Connection,
    Convolutional,
    Flatten,
    Kernel,
    Layer,
    Mixing,
    Model,
    MultiLayerPerceptron,
    Patches,
    Pool,
    Straight,
    Transformer,
)
from metarule.tasks import AbstractTasks, Episode, from_arrays, join, RandomTables, VectorTasks
from metarule.testing import (
    check_architecture,
    check_layer,
    check_tasks,
    check_tasks_form,
)


COUNT = itertools.count()


def test_built_in_tasks_pass():
    labels = np.arange(60) % 3
    x = np.random.default_rng(0).normal(size=(60, 5)) + labels[:, None] * np.arange(5)
    check_tasks(RandomTables(inputs=6, ways=2, shots=8, batch_size=32))
    check_tasks(VectorTasks(join([from_arrays("vectors", (x, labels))]), ways=2, shots=2, batch_size=4))


@final
class Clouds(AbstractTasks):
    """Two Gaussian clouds at one centre, with a fault of this name."""

    fault: str = eqx.field(static=True, default="none")

    @property
    def shape(self):
        return (3.0,) if self.fault == "shape" else (3,)

    def sample(self, key):
        return jnp.zeros(3) if self.fault == "one task" else 3 * jr.normal(key, (3,))

    def batch(self, task, key):
        if self.fault == "counting":
            key = jr.fold_in(key, next(COUNT))
        x = task + jr.normal(key, (4, 3))
        faults = {"order": x[:, ::-1], "infinite": x / 0, "flat": x.reshape(-1), "one example": x[:1]}
        return faults.get(self.fault, x)

    def episode(self, task, key):
        x, y = task + jr.normal(key, (8, 3)), jnp.tile(jnp.eye(2), (4, 1))
        episode = Episode(x[:4], y[:4], x[4:], y[4:])
        part, value = {
            "leak": ("query_x", x[:4]),
            "scale": ("query_x", 2 * x[4:]),
            "rows": ("support_y", y[:3]),
            "columns": ("support_y", y[:4, :1]),
        }.get(self.fault, ("query_y", y[4:]))
        return (x, y) if self.fault == "pair" else eqx.tree_at(lambda it: getattr(it, part), episode, value)


def test_tasks_of_ones_own_pass():
    check_tasks(Clouds())


@pytest.mark.parametrize(
    "fault, sentence",
    [
        ("shape", "Clouds.shape must be a tuple of whole numbers, such as (784,); it is (3.0,)."),
        ("flat", "Clouds.batch must return floats [batch, 3] of at least 2 examples, as Clouds.shape is (3,)"),
        ("one example", "at least 2 examples, as Clouds.shape is (3,); it returns float32[1, 3]."),
        ("pair", "Clouds.episode must return a metarule.tasks.Episode; it returns tuple."),
        ("rows", "Clouds.episode must have a support_y of floats [4, target], one row for each example"),
        ("columns", "the same columns in support_y and query_y; they have 1 and 2."),
    ],
)
def test_tasks_of_another_form_are_refused_with_a_sentence(fault, sentence):
    with pytest.raises(BadInput) as caught:
        check_tasks_form(Clouds(fault))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "fault, sentence",
    [
        ("counting", "Clouds.batch must return the same for the same key"),
        ("infinite", "Clouds.batch must return finite numbers"),
        ("one task", "Clouds.sample must draw something else for another key"),
        ("order", "in the same order and on the same scale: in support_x"),
        ("scale", "in the same order and on the same scale: in query_x"),
        ("leak", "100% of the queries are in the support set"),
    ],
)
def test_tasks_that_break_a_promise_are_named(fault, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_tasks(Clouds(fault))


@pytest.mark.parametrize(
    "wire, shape",
    [
        (Straight(), (3, 2)),
        (Flatten(2), (4, 2, 3, 2)),
        (Patches(2, 2), (3, 5, 4, 2)),
        (Patches(3), (3, 4, 3, 1)),
        (Pool(2), (3, 5, 2, 3)),
        (Mixing(0, 0, 2), (3, 2, 2, 4)),
    ],
    ids=str,
)
def test_built_in_wires_pass(wire, shape):
    check_layer(wire, [jnp.ones(shape)])


@pytest.mark.parametrize(
    "architecture, shape",
    [
        (MultiLayerPerceptron((3, 2)), (2, 2, 1)),
        (Convolutional((Kernel(2, 1, 3), Kernel(2, 2, 4)), 2), (6, 5, 2)),
        (Transformer(Kernel(2, 1, 4), 2, 2, 1), (3, 4, 1)),
    ],
    ids=("perceptron", "convolutional", "transformer"),
)
def test_a_built_in_architecture_passes(architecture, shape):
    check_architecture(architecture, shape)


@final
class Bent(AbstractWire):
    """A flattening wire with a fault of this name."""

    fault: str = eqx.field(static=True)

    def context(self, values):
        return None

    def up(self, values, context):
        if self.fault == "channels":
            return values.reshape(len(values), -1)
        above = values.reshape(*values.shape[:-2], -1)
        return above**2 if self.fault == "square" else above

    def fold(self, weights, units):
        by_place = weights.reshape(-1, units, weights.shape[1])
        return by_place.reshape(units, -1) if self.fault == "order" else by_place.swapaxes(0, 1).reshape(units, -1)


@pytest.mark.parametrize(
    "fault, sentence",
    [
        ("square", "Bent.up must be linear in what it carries"),
        ("channels", "Bent.up must carry each channel in front by itself"),
        ("order", "Bent.fold must hold in its row 0 the weights that read unit 0"),
        ("none", None),
    ],
)
def test_a_wire_that_breaks_a_promise_is_named(fault, sentence):
    if sentence is None:
        return check_layer(Bent(fault), [jnp.ones((2, 3, 2))])
    with pytest.raises(AssertionError, match=sentence):
        check_layer(Bent(fault), [jnp.ones((2, 3, 2))])


@final
class Crooked(AbstractArchitecture):
    """A perceptron with a fault of this name."""

    fault: str = eqx.field(static=True)

    @property
    def features(self):
        return 3 if self.fault == "features" else 2

    def __call__(self, shape, key):
        model = MultiLayerPerceptron((3, 2))(shape, jr.key(0) if self.fault == "constant" else key)
        synapse = model.layers[1].connections[0].synapse
        connection = {
            "source": Connection(synapse, source=2),
            "size": Connection(synapse, source=0),
        }.get(self.fault, Connection(synapse, source=1))
        layer = Layer((connection,), jax.nn.relu, skip=1 if self.fault == "skip" else None)
        return Model((model.layers[0], layer))


@pytest.mark.parametrize(
    "fault, sentence",
    [
        ("skip", r"layers\[1\].skip must be a population of its shape"),
        ("features", "Crooked.features must be the number of features of its models, 2; it is 3"),
        ("constant", "Crooked must draw other weights for another key"),
        ("source", r"layers\[1\].connections\[0\] must come from a population below, 0 \(the inputs\) to 1"),
        ("size", r"layers\[1\].connections\[0\] receives 4 values"),
    ],
)
def test_an_architecture_that_breaks_a_promise_is_named(fault, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_architecture(Crooked(fault), (4,))
