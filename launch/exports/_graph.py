import importlib.util
import re
from typing import Any

import numpy as np

from ...errors import BadInput
from ._frozen import Frozen


_ACTIVATIONS = {
    "relu": ("h = Relu(z)",),
    "leaky-relu": ("h = LeakyRelu<alpha = 0.01>(z)",),
    "swish": ("s = Sigmoid(z)", "h = Mul(z, s)"),
    "tanh": ("h = Tanh(z)",),
    "step": ("p = Greater(z, zero)", "h = Cast<to = 1>(p)"),
}
"""Of each layer, whose number is put behind the names h, p, s and z."""


def require_onnx() -> None:
    """Raises `BadInput` where onnx is not installed."""
    if importlib.util.find_spec("onnx") is None:
        raise BadInput("Export to ONNX needs onnx: pip install 'metarule[export]'.")


def graph(frozen: Frozen) -> bytes:
    """An ONNX file whose graph makes `features` [row, feature] of `rows` [row, number], double as they are read.

    Raises `BadInput` where onnx is not installed.
    """
    require_onnx()
    import onnx  # pyright: ignore[reportMissingImports]

    arrays, lines = dict(frozen.arrays), [*_preparation(frozen)]
    arrays |= {"low": np.array(-frozen.limit), "high": np.array(frozen.limit)}
    arrays |= {"zero": np.zeros((), np.float32), "tiny": np.array(1e-30, np.float32)}
    lines += _network(frozen, arrays) + _standing(frozen, arrays) + _views(arrays)
    used = re.findall(r"\w+", " ".join(lines))
    text = f"""<ir_version: 9, opset_import: ["" : 18]>
    encoder (double[row, {len(frozen.arrays["median"])}] rows) => (float[row, {frozen.features}] features) {{
    {" ".join(lines)}
    }}"""
    model: Any = onnx.parser.parse_model(text)
    held = {name: array for name, array in arrays.items() if name in used}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in held.items()
    )
    model.producer_name, model.doc_string = "metarule", frozen.sentence
    onnx.helper.set_model_props(model, {"columns": "\n".join(frozen.columns)})
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _preparation(frozen: Frozen) -> list[str]:
    lines = ["missing = IsNaN(rows)", "filled = Where(missing, median, rows)"]
    if len(frozen.arrays["flagged"]):
        lines += ["gaps = Gather<axis = 1>(missing, flagged)", "flags = Cast<to = 11>(gaps)"]
        lines += ["whole = Concat<axis = 1>(filled, flags)"]
    else:
        lines += ["whole = Identity(filled)"]
    lines += ["centred = Sub(whole, offset)", "scaled = Div(centred, unit)", "cut = Clip(scaled, low, high)"]
    if "mirror" not in frozen.arrays:
        return [*lines, "x = Cast<to = 1>(cut)"]
    turned = "turned = Gather<axis = 1>(own, mirror)"
    return [*lines, "own = Cast<to = 1>(cut)", turned, "x = Concat<axis = 0>(own, turned)"]


def _network(frozen: Frozen, arrays: dict[str, Any]) -> list[str]:
    lines, below = [], "x"
    if frozen.kernels or frozen.window is not None:
        arrays |= {"image": np.array([-1, *frozen.shape]), "flat": np.array([0, -1])}
        lines += ["pixels = Reshape(x, image)", "planes = Transpose<perm = [0, 3, 1, 2]>(pixels)"]
    if frozen.kernels:
        below = "planes"
        for index, (size, stride) in enumerate(frozen.kernels):
            arrays[f"w{index}"] = _kernels(arrays[f"w{index}"], size)
            lines.append(f"z{index} = Conv<strides = [{stride}, {stride}]>({below}, w{index}, b{index})")
            lines += _activated(frozen.activation, index)
            below = f"h{index}"
        arrays |= {"net_columns": arrays["columns"].T, "net_rows": arrays.pop("rows")}  # `rows` is what goes in.
        return lines + _pooled("net", below, "made", arrays)
    for index in range(frozen.layers):
        lines += [f"p{index}_ = MatMul({below}, w{index})", f"z{index} = Add(p{index}_, b{index})"]
        lines += _activated(frozen.activation, index)
        below = f"h{index}"
    return [*lines, *_mean_of_both(below, "made", arrays)]


def _kernels(weights: np.ndarray, size: int) -> np.ndarray:
    """[row, column, channel, kernel] as it is here, [kernel, channel, row, column] as it is there."""
    return weights.reshape(size, size, -1, weights.shape[1]).transpose(3, 2, 0, 1)


def _mean_of_both(twice: str, made: str, arrays: dict[str, Any]) -> list[str]:
    """Of mirrored images, whose rows come twice, the mean of both."""
    if "mirror" not in arrays:
        return [f"{made} = Identity({twice})"]
    arrays |= {"half": np.array(0.5, np.float32)}
    return [
        f"{made}_own, {made}_turned = Split<axis = 0, num_outputs = 2>({twice})",
        f"{made}_sum = Add({made}_own, {made}_turned)",
        f"{made} = Mul({made}_sum, half)",
    ]


def _pooled(prefix: str, planes: str, made: str, arrays: dict[str, Any]) -> list[str]:
    return [
        f"{prefix}_along = MatMul({planes}, {prefix}_columns)",
        f"{prefix}_cells = MatMul({prefix}_rows, {prefix}_along)",
        f"{prefix}_placed = Transpose<perm = [0, 2, 3, 1]>({prefix}_cells)",
        f"{prefix}_each = Reshape({prefix}_placed, flat)",
        *_mean_of_both(f"{prefix}_each", made, arrays),
    ]


def _standing(frozen: Frozen, arrays: dict[str, Any]) -> list[str]:
    """What stands for the inputs beside the features."""
    if "rarity" in arrays:
        arrays |= {"one": np.array([1])}
        return [
            "present = Greater(x, zero)",
            "rare = Where(present, rarity, zero)",
            "rare_squares = Mul(rare, rare)",
            "rare_norm = ReduceSum(rare_squares, one)",
            "rare_some = Max(rare_norm, tiny)",
            "rare_length = Sqrt(rare_some)",
            "seen = Div(rare, rare_length)",
        ]
    if frozen.window is None:
        return ["seen = Identity(x)"]
    size, stride = frozen.window
    mean, axes = arrays["patch_mean"], arrays["patch_axes"]
    arrays |= {"patch_bias": -(mean @ axes)}
    strides = f"strides = [{stride}, {stride}]"
    if "patch_contrast" in arrays:
        each = np.full((len(axes), 1), 1 / len(axes), np.float32)
        arrays |= {"patch_kernels": _kernels(axes - axes.mean(0), size), "patch_ones": _kernels(each, size)}
        arrays |= {"patch_biases": arrays["patch_bias"][:, None, None]}
        up = [
            f"patch_found = Conv<{strides}>(planes, patch_kernels)",
            f"patch_means = Conv<{strides}>(planes, patch_ones)",
            "plane_squares = Mul(planes, planes)",
            f"patch_squares = Conv<{strides}>(plane_squares, patch_ones)",
            "patch_means_squared = Mul(patch_means, patch_means)",
            "patch_spread = Sub(patch_squares, patch_means_squared)",
            "patch_variance = Relu(patch_spread)",
            "patch_softened = Add(patch_variance, patch_contrast)",
            "patch_deviation = Sqrt(patch_softened)",
            "patch_like = Div(patch_found, patch_deviation)",
            "patch_up = Add(patch_like, patch_biases)",
        ]
    else:
        arrays |= {"patch_kernels": _kernels(axes, size)}
        up = [f"patch_up = Conv<{strides}>(planes, patch_kernels, patch_bias)"]
    arrays |= {"patch_columns": arrays["patch_columns"].T}
    detail = []
    if "detail_axes" in arrays:
        arrays |= {"detail_columns": arrays["detail_columns"].T}
        detail = [
            *_pooled("detail", "patch_halves", "detail_all", arrays),
            "detail_apart = Sub(detail_all, detail_mean)",
            "detail_kept = MatMul(detail_apart, detail_axes)",
        ]
    return [
        *up,
        "patch_down = Neg(patch_up)",
        "patch_both = Concat<axis = 1>(patch_up, patch_down)",
        "patch_halves = Relu(patch_both)",
        *_pooled("patch", "patch_halves", "seen", arrays),
        *detail,
    ]


def _activated(activation: str, index: int) -> list[str]:
    """The lines that make h of z, both of this layer; what lies between them is the layer's own, too."""
    return [re.sub(r"\b[hpsz]\b", rf"\g<0>{index}", line) for line in _ACTIVATIONS[activation]]


def _views(arrays: dict[str, Any]) -> list[str]:
    if "scale" not in arrays:
        return ["features = Identity(made)"]
    lines = ["shifted = Sub(made, centre)", "known = Mul(shifted, scale)"]
    last = "known"
    if "skip_axes" in arrays:
        lines += [
            "moved = Sub(seen, skip_mean)",
            "kept = MatMul(moved, skip_axes)",
            "both = Concat<axis = 1>(known, kept)",
        ]
        last = "both"
    parts = [last, *(["detail_kept"] if "detail_axes" in arrays else [])]
    if "centroids" in arrays:
        lines += _prototypes(arrays)
        parts.append("near_scaled")
    if "anchors" in arrays:
        lines += _recall(arrays, last)
        parts.append("recalled")
    return [*lines, f"features = Concat<axis = 1>({', '.join(parts)})"]


def _prototypes(arrays: dict[str, Any]) -> list[str]:
    centroids = arrays["centroids"]
    arrays |= {"near_across": 2 * centroids.T, "near_lengths": (centroids**2).sum(1), "one": np.array([1])}
    return [
        "near_apart = Sub(seen, near_mean)",
        "near_keys = MatMul(near_apart, near_axes)",
        "near_squares = Mul(near_keys, near_keys)",
        "near_norms = ReduceSum(near_squares, one)",
        "near_products = MatMul(near_keys, near_across)",
        "near_partly = Sub(near_norms, near_products)",
        "near_whole = Add(near_partly, near_lengths)",
        "near_positive = Relu(near_whole)",
        "near_softened = Add(near_positive, near_softening)",
        "near_distances = Sqrt(near_softened)",
        "near_average = ReduceMean(near_distances, one)",
        "near_gain = Sub(near_average, near_distances)",
        "closeness_ = Relu(near_gain)",
        "near_centred = Sub(closeness_, near_offset)",
        "near_scaled = Mul(near_centred, near_scale)",
    ]


def _recall(arrays: dict[str, Any], known: str) -> list[str]:
    anchors = arrays["anchors"]
    arrays |= {"across": 2 * anchors.T, "lengths": (anchors**2).sum(1), "one": np.array([1]), "two": np.array([2])}
    arrays |= {"count": arrays["nearest"].reshape(1)}
    return [
        f"apart = Sub({known}, key_mean)",
        "keys = MatMul(apart, key_axes)",
        "products = MatMul(keys, across)",
        "closeness = Sub(products, lengths)",
        "top, near = TopK<axis = 1>(closeness, count)",
        "squares = Mul(keys, keys)",
        "norms = ReduceSum(squares, one)",
        "gaps_ = Sub(norms, top)",
        "distances = Relu(gaps_)",
        "mean = ReduceMean(distances, one)",
        "least = Max(mean, tiny)",
        "ratio = Div(distances, least)",
        "falling = Neg(ratio)",
        "share = Softmax<axis = 1>(falling)",
        "weight = Unsqueeze(share, two)",
        "held = Gather<axis = 0>(values, near)",
        "weighted = Mul(held, weight)",
        "recalled = ReduceSum<keepdims = 0>(weighted, one)",
    ]
