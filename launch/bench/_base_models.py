import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Float

from ...models import AbstractArchitecture, Model, MultiLayerPerceptron, unlabelled
from ...rules import AbstractRule
from ..options._networks import network
from ..options._recipes import Lean
from ._flops import product_flops
from ._program import matrix_product, Program
from ._row import Row, row
from ._timing import Budget, time_in_turn


def apply_conv(budget: Budget) -> list[Row]:
    """One inner step of the lean rule on crops of images, and on a perceptron with as many multiplications."""
    text, side = ("conv4x4x8-8x8x8-mean", 12) if budget.small else ("conv5x5s2x32-3x3s2x64-quadrants", 28)
    return _beside_a_perceptron("apply-conv", text, side, budget)


def apply_attention(budget: Budget) -> list[Row]:
    """One inner step of the lean rule on a transformer, and on a perceptron with as many multiplications."""
    text, side = ("attention2x2s2x4h2-mean", 4) if budget.small else ("attention4x4s4x32h2-quadrants", 28)
    return _beside_a_perceptron("apply-attention", text, side, budget)


def _beside_a_perceptron(name: str, text: str, side: int, budget: Budget) -> list[Row]:
    """Rows of the base model and of the perceptron, timed in turn; the first one's remark has the ratio of the two."""
    rule, batch = Lean().build(jr.key(0)), 4 if budget.small else 32
    own = _Step(rule, network(text, "relu", 0.1), (side, side, 1), batch)
    wanted = product_flops(own.run, *own.arguments)[0]
    perceptron, widths = _perceptron(rule, (side, batch), wanted)
    programs = [Program(step.run, *step.arguments) for step in (own, perceptron)]
    peak = matrix_product(256 if budget.small else None)
    first, second, best = time_in_turn([*programs, peak], budget)
    rows = [
        row(each, program, timing, (peak, best), each="inner step")
        for each, program, timing in zip((name, f"{name}-perceptron"), programs, (first, second))
    ]
    ratio, cpu_ratio = first.ratio_to(second)
    rows[0] |= {"ratio": ratio, "cpu_ratio": cpu_ratio, "remark": f"{ratio:.2f} of the perceptron's time"}
    rows[1]["remark"] = f"{side**2}-{'-'.join(map(str, widths))}"
    return rows


class _Step(eqx.Module):
    """An inner step as a function with its arguments: the batch is cut from the images within it, as in training."""

    arguments: tuple[AbstractRule, Model, Float[Array, " example *shape"]]

    def __init__(self, rule: AbstractRule, architecture: AbstractArchitecture, shape: tuple[int, ...], batch: int):
        self.arguments = rule, architecture(shape, jr.key(1)), jr.normal(jr.key(2), (batch, *shape))

    @staticmethod
    def run(rule: AbstractRule, model: Model, x: Float[Array, " example *shape"]) -> Model:
        updates, _ = rule.update(model, unlabelled(model, lambda _: x, jr.key(3)), rule.init(model))
        return eqx.apply_updates(model, updates)


def _perceptron(rule: AbstractRule, sizes: tuple[int, int], wanted: float) -> tuple[_Step, tuple[int, ...]]:
    """The step of a perceptron of two layers, the second half as wide, whose products cost nearest to `wanted`."""
    side, batch = sizes

    def step(half: int) -> _Step:
        return _Step(rule, MultiLayerPerceptron((2 * half, half)), (side**2,), batch)

    def cost(half: int) -> float:
        made = step(half)
        return product_flops(made.run, *made.arguments)[0]

    low, high = 1, 2
    while cost(high) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) < wanted else (low, middle)
    half = min((low, high), key=lambda each: abs(cost(each) - wanted))
    return step(half), (2 * half, half)
