import abc
import dataclasses
from typing import Any, final

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array


class AbstractBilinear(abc.ABC):
    """A function linear in either of two arrays that says itself what goes back to each, where JAX's transpose is slow.

    `jax.custom_vjp` would do, but knows no forward mode; a rule of `jax.custom_jvp` has one form for both modes, and
    what is fast in one need not be so in the other. An implementation is hashable; equal ones share compiled programs.
    """

    @abc.abstractmethod
    def forward(self, left: Array, right: Array, /) -> Array:
        """The function."""

    @abc.abstractmethod
    def to_left(self, gradient: Array, right: Array, /) -> Array:
        """The gradient in the left array."""

    @abc.abstractmethod
    def to_right(self, gradient: Array, left: Array, /) -> Array:
        """The gradient in the right array."""

    def __call__(self, left: Array, right: Array, /) -> Array:
        return _bilinear.bind(left, right, function=self)


@final
@dataclasses.dataclass(frozen=True)
class _Mapped(AbstractBilinear):
    """Over an axis of one array or of both, as `jax.vmap` does it; results have the axis in front."""

    inner: AbstractBilinear
    left: int | None
    right: int | None

    def forward(self, left: Array, right: Array) -> Array:
        return jax.vmap(self.inner.forward, (self.left, self.right))(left, right)

    def to_left(self, gradient: Array, right: Array) -> Array:
        return _back(jax.vmap(self.inner.to_left, (0, self.right), _at(self.left))(gradient, right), self.left)

    def to_right(self, gradient: Array, left: Array) -> Array:
        return _back(jax.vmap(self.inner.to_right, (0, self.left), _at(self.right))(gradient, left), self.right)


def _at(axis: int | None) -> int:
    return 0 if axis is None else axis


def _back(gradients: Array, axis: int | None) -> Array:
    return gradients.sum(0) if axis is None else gradients


def _forward(left: Array, right: Array, *, function: AbstractBilinear) -> Array:
    return function.forward(left, right)


def _shape(left: Any, right: Any, *, function: AbstractBilinear) -> jax.core.ShapedArray:
    out = jax.eval_shape(function.forward, left, right)
    return jax.core.ShapedArray(out.shape, out.dtype)


def _map(arrays: tuple[Array, Array], axes: tuple[int | None, int | None], *, function: AbstractBilinear) -> Any:
    return _Mapped(function, *axes)(*arrays), 0


_bilinear = Primitive("bilinear")
_bilinear.def_impl(_forward)
_bilinear.def_abstract_eval(_shape)
mlir.register_lowering(_bilinear, mlir.lower_fun(_forward, multiple_results=False))
batching.primitive_batchers[_bilinear] = _map
ad.defbilinear(
    _bilinear,
    lambda gradient, left, right, *, function: function.to_left(gradient, right),
    lambda gradient, left, right, *, function: function.to_right(gradient, left),
)
