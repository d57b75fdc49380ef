from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ..models import AbstractArchitecture, AbstractWire, freeze, Layer, Model
from ._compare import close


_BATCH = 5


def check_layer(wire: AbstractWire, values: Sequence[Float[Array, "example ... _unit"]], *, source: int = -1) -> None:
    """Raises `AssertionError` unless a wire keeps what its interface promises.

    `values` are those of all populations below, inputs first; the wire carries the one whose number is `source`. `up`
    is linear, and `down` its transpose, to 1e-12; channels in front travel by themselves; a row of `fold` holds the
    weights that read one unit.
    """
    name = type(wire).__name__
    with jax.enable_x64():
        doubles = [np.asarray(each, np.float64) for each in values]
        pairs, folded, reached = eqx.filter_jit(lambda values: _exercise(name, wire, values, source))(doubles)
    for sentence, (found, wanted) in pairs.items():
        assert close(found, wanted, 1e-12), sentence
    weights, folded = _numbered(len(reached[0])), np.asarray(folded)
    assert np.array_equal(np.sort(folded, None), weights.ravel()), f"{name}.fold must hold each weight once."
    for unit, row in enumerate(folded):
        assert np.array_equal(np.sort(row), weights[reached[unit]].ravel()), (
            f"{name}.fold must hold in its row {unit} the weights that read unit {unit} of the population below."
        )


_Pairs = dict[str, tuple[Array, Array]]
"""Two arrays that must be equal, by the sentence to say if they are not."""


def _exercise(
    name: str, wire: AbstractWire, values: Sequence[Float[Array, "example ... _unit"]], source: int
) -> tuple[_Pairs, Float[Array, "unit other"], Bool[Array, "unit pre"]]:
    """What `check_layer` compares, in one program: pairs, folded weights, and which of them read which unit."""
    context, carried = wire.context(values), values[source]
    up = lambda x: wire.up(x, context)
    a, b = jr.normal(jr.key(0), (2, *carried.shape), carried.dtype)
    above = up(a)
    assert above.ndim >= 2 and len(above) == len(carried), (
        f"{name}.up must return [example, *place, pre] for {len(carried)} examples; it returns {list(above.shape)}."
    )
    signal = jr.normal(jr.key(1), above.shape, above.dtype)
    try:
        down = wire.down(signal, jax.ShapeDtypeStruct(a.shape, a.dtype), context)
    except NotImplementedError as error:  # What JAX raises where a step of `up` has no transpose.
        raise AssertionError(f"{name}.up must be linear in what it carries; it has no transpose: {error}.") from error
    assert down.shape == a.shape, f"{name}.down must return {list(a.shape)}, as `like`; it returns {list(down.shape)}."
    pre, units = above.shape[-1], carried.shape[-1]
    folded = wire.fold(jnp.asarray(_numbered(pre)), units)
    assert folded.ndim == 2 and len(folded) == units, (
        f"{name}.fold must return [unit, other] for {units} units; it returns {list(folded.shape)}."
    )
    pairs = {
        f"{name}.up must be linear in what it carries.": (up(2 * a - 3 * b), 2 * above - 3 * up(b)),
        f"{name}.up must carry each channel in front by itself, as it carries values without channels.": (
            up(jnp.stack([a, b])),
            jnp.stack([above, up(b)]),
        ),
        f"{name}.down must be the transpose of up: leave it out, and AbstractWire derives it.": (
            (above * signal).sum(),
            (a * down).sum(),
        ),
    }
    alone = jax.vmap(lambda mask: up(a * mask))(jnp.eye(units, dtype=a.dtype))
    return pairs, folded, (alone != 0).reshape(units, -1, pre).any(1)


def _numbered(pre: int) -> Float[np.ndarray, "pre 3"]:
    """Weights that can be told apart."""
    return np.arange(3.0 * pre).reshape(pre, 3)


def check_architecture(
    architecture: AbstractArchitecture, shape: tuple[int, ...], *, key: PRNGKeyArray | None = None
) -> None:
    """Raises `AssertionError` unless an architecture makes models that are well formed, for examples of this shape.

    A layer receives from populations below it alone, and a synapse as many values as it has weights; the wires pass
    `check_layer`; there are as many features as announced. Features of a frozen model don't depend on other examples.
    """
    name = type(architecture).__name__
    keys = jr.split(jr.key(0) if key is None else key, 3)
    build = eqx.filter_jit(lambda key: architecture(shape, key))
    model, other, x = build(keys[0]), build(keys[1]), jr.normal(keys[2], (_BATCH, *shape))
    assert isinstance(model, Model), f"{name} must return a Model; it returns a {type(model).__name__}."
    assert not close(model, other, 0.0), f"{name} must draw other weights for another key."
    eqx.filter_eval_shape(lambda model, x: _check_sizes(name, model, x), model, x)
    values, (features, frozen, fewer) = eqx.filter_jit(_features)(model, x)
    for layer in model.layers:
        for connection in layer.connections:
            check_layer(connection.wire, values, source=connection.source)

    assert features.shape[1] == architecture.features, (
        f"{name}.features must be the number of features of its models, {features.shape[1]}; it is "
        f"{architecture.features}."
    )
    assert close(frozen, features), f"{name}: a model frozen on a batch must have the same features of it."
    assert close(fewer, features[:2]), (
        f"{name}: the features of a frozen model must not depend on other examples of the batch."
    )


def _check_sizes(name: str, model: Model, x: Float[Array, " example *shape"]) -> None:
    """Raises `AssertionError` unless each connection comes from below and its synapse has the sizes that arrive."""
    values = [x]
    for index, layer in enumerate(model.layers):
        for place, connection in enumerate(layer.connections):
            where = f"{name}: layers[{index}].connections[{place}]"
            assert 0 <= connection.source <= index, (
                f"{where} must come from a population below, 0 (the inputs) to {index}; its source is "
                f"{connection.source}."
            )
            w, b, v = connection.synapse.w.shape, connection.synapse.b.shape, connection.synapse.v.shape
            pre = connection.wire.up(values[connection.source], connection.wire.context(values)).shape[-1]
            assert w == v == (pre, *b), (
                f"{where} receives {pre} values: its synapse must have w and v [{pre}, post] and b [post]; they are "
                f"{list(w)}, {list(v)} and {list(b)}."
            )
        assert layer.skip is None or 0 <= layer.skip <= index, (
            f"{name}: layers[{index}].skip must be a population below, 0 to {index}; it is {layer.skip}."
        )
        plain = Layer(layer.connections, layer.activation, layer.epsilon)(values)[0].shape
        assert layer.skip is None or values[layer.skip].shape == plain, (
            f"{name}: layers[{index}].skip must be a population of its shape, {list(plain)}; that of {layer.skip} is "
            f"{list(values[layer.skip].shape)}."
        )
        values.append(layer(values)[0])


def _features(
    model: Model, x: Float[Array, " example *shape"]
) -> tuple[tuple[Array, ...], tuple[Float[Array, "example feature"], Array, Array]]:
    """The values of all populations; features of the model, of the frozen one, and of that for two of the examples."""
    trace, frozen = model.trace(x), freeze(model, x)
    return trace.values, (trace.features, frozen(x)[0], frozen(x[:2])[0])
