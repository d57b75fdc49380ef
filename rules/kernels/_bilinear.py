import abc
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array


class AbstractBilinear(abc.ABC):
    """A function linear in either of two arrays that says itself what goes back to each, where JAX's transpose is slow.

    `jax.custom_vjp` would do, but knows no forward mode; a rule of `jax.custom_jvp` has one form for both modes, and
    what is fast in one need not be so in the other. An implementation is hashable; equal ones share compiled programs.
    """

    one_by_one: ClassVar[bool] = False
    """Whether on a CPU a batch of both arrays is computed one after another."""

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
    """Over an axis of one array or of both; results have the axis in front."""

    inner: AbstractBilinear
    left: int | None
    right: int | None

    def forward(self, left: Array, right: Array) -> Array:
        return self._over(self.inner.forward, (left, right), (self.left, self.right))

    def to_left(self, gradient: Array, right: Array) -> Array:
        return _back(self._over(self.inner.to_left, (gradient, right), (0, self.right)), self.left)

    def to_right(self, gradient: Array, left: Array) -> Array:
        return _back(self._over(self.inner.to_right, (gradient, left), (0, self.left)), self.right)

    def _over(
        self,
        function: Callable[[Array, Array], Array],
        arrays: tuple[Array, Array],
        axes: tuple[int | None, int | None],
    ) -> Array:
        first, second = axes
        one_by_one = self.inner.one_by_one and jax.default_backend() == "cpu"
        if first is None or second is None or not one_by_one:
            return jax.vmap(function, axes)(*arrays)
        each = jnp.moveaxis(arrays[0], first, 0), jnp.moveaxis(arrays[1], second, 0)
        return jax.lax.map(lambda pair: function(*pair), each)


def _back(gradients: Array, axis: int | None) -> Array:
    return gradients.sum(0) if axis is None else jnp.moveaxis(gradients, 0, axis)


def _forward(left: Array, right: Array, *, function: AbstractBilinear) -> Array:
    return function.forward(left, right)


def _shape(left: Any, right: Any, *, function: AbstractBilinear) -> ShapedArray:
    out = jax.eval_shape(function.forward, left, right)
    return ShapedArray(out.shape, out.dtype)


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
