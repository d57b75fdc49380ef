from collections.abc import Sequence

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..models import AbstractArchitecture, AbstractWire, freeze, Model
from ._compare import close


_BATCH = 5


def check_wire(wire: AbstractWire, values: Sequence[Float[Array, "example ... _unit"]], *, source: int = -1) -> None:
    """Raises `AssertionError` unless a wire keeps what its interface promises.

    `values` are those of all populations below, inputs first; the wire carries the one whose number is `source`. `up`
    is linear, and `down` its transpose, to 1e-12; channels in front travel by themselves; a row of `fold` holds the
    weights that read one unit.
    """
    with jax.enable_x64():
        _check_wire(type(wire).__name__, wire, [jnp.asarray(each, jnp.float64) for each in values], source)


def _check_wire(
    name: str, wire: AbstractWire, values: Sequence[Float[Array, "example ... _unit"]], source: int
) -> None:
    context, carried = wire.context(values), values[source]
    up = lambda x: wire.up(x, context)
    a, b = (jr.normal(jr.key(index), carried.shape, carried.dtype) for index in range(2))
    above = up(a)
    assert above.ndim >= 2 and len(above) == len(carried), (
        f"{name}.up must return [example, *place, pre] for {len(carried)} examples; it returns {list(above.shape)}."
    )
    assert close(up(2 * a - 3 * b), 2 * above - 3 * up(b), 1e-12), f"{name}.up must be linear in what it carries."
    channels = jnp.stack([a, b])
    assert close(up(channels), jnp.stack([above, up(b)]), 1e-12), (
        f"{name}.up must carry each channel in front by itself, as it carries values without channels."
    )

    signal = jr.normal(jr.key(2), above.shape, above.dtype)
    down = wire.down(signal, jax.ShapeDtypeStruct(a.shape, a.dtype), context)
    assert down.shape == a.shape, f"{name}.down must return {list(a.shape)}, as `like`; it returns {list(down.shape)}."
    assert close((above * signal).sum(), (a * down).sum(), 1e-11), (
        f"{name}.down must be the transpose of up: leave it out, and AbstractWire derives it."
    )

    pre, units = above.shape[-1], carried.shape[-1]
    weights = jnp.arange(3.0 * pre).reshape(pre, 3)
    folded = wire.fold(weights, units)
    assert folded.ndim == 2 and len(folded) == units and np.array_equal(np.sort(folded, None), weights.ravel()), (
        f"{name}.fold must return [unit, other] with {units} rows that hold each weight once."
    )
    for unit in range(units):
        reached = jnp.abs(up(a * (jnp.arange(units) == unit))).reshape(-1, pre).max(0) > 0
        assert np.array_equal(np.sort(folded[unit]), weights[reached].ravel()), (
            f"{name}.fold must hold in its row {unit} the weights that read unit {unit} of the population below."
        )


def check_architecture(
    architecture: AbstractArchitecture, shape: tuple[int, ...], *, key: PRNGKeyArray | None = None
) -> None:
    """Raises `AssertionError` unless an architecture makes models that are well formed, for examples of this shape.

    A layer receives from populations below it alone, and a synapse as many values as it has weights; the wires pass
    `check_wire`; there are as many features as announced. Features of a frozen model don't depend on other examples.
    """
    name = type(architecture).__name__
    keys = jr.split(jr.key(0) if key is None else key, 3)
    model, again, other = (architecture(shape, each) for each in (keys[0], keys[0], keys[1]))
    assert isinstance(model, Model), f"{name} must return a Model; it returns a {type(model).__name__}."
    assert jax.tree.structure(model) == jax.tree.structure(other), f"{name} must make models of one structure."
    assert close(model, again, 0.0), f"{name} must return the same model for the same key."
    assert not close(model, other, 0.0), f"{name} must draw other weights for another key."

    x = jr.normal(keys[2], (_BATCH, *shape))
    values = [x]
    for index, layer in enumerate(model.layers):
        for place, connection in enumerate(layer.connections):
            where = f"{name}: layers[{index}].connections[{place}]"
            assert 0 <= connection.source <= index, (
                f"{where} must come from a population below, 0 (the inputs) to {index}; its source is "
                f"{connection.source}."
            )
            synapse, wire = connection.synapse, connection.wire
            pre = wire.up(values[connection.source], wire.context(values)).shape[-1]
            sizes = (synapse.w.shape, synapse.v.shape, synapse.b.shape)
            assert sizes == ((pre, synapse.w.shape[-1]),) * 2 + (synapse.w.shape[-1:],), (
                f"{where} receives {pre} values: it must have w and v [{pre}, post] and b [post]; they are "
                f"{', '.join(str(list(size)) for size in sizes)}."
            )
            check_wire(wire, values, source=connection.source)
        if layer.skip is not None:
            assert 0 <= layer.skip <= index, f"{name}: layers[{index}].skip must be a population below, 0 to {index}."
        values.append(layer(values)[0])

    features = model(x)[0]
    assert features.shape == (_BATCH, architecture.features), (
        f"{name}.features must be the number of features of its models, {features.shape[-1]}; it is "
        f"{architecture.features}."
    )
    frozen = freeze(model, x)
    assert close(frozen(x)[0], features), f"{name}: a model frozen on a batch must have the same features of it."
    assert close(frozen(x[:2])[0], features[:2]), (
        f"{name}: the features of a frozen model must not depend on other examples of the batch."
    )
