import io
import json
from typing import Any

import numpy as np

from ._frozen import Frozen


def module(frozen: Frozen, library: str) -> tuple[str, bytes]:
    """A Python module with a class `Encoder`, as text, and the .npz with its arrays, which lies beside it.

    `library` is `numpy`, which is then all that the module needs, or `torch`: then `Encoder` is a `torch.nn.Module`.
    """
    body = "\n".join([*_preparation(frozen), *_network(frozen), *_views(frozen)])
    # It holds names of columns, which come from the data and may look like code.
    quoted = json.dumps(frozen.sentence, ensure_ascii=False)[1:-1]
    head = _HEADS[library].format(sentence=quoted)
    content = io.BytesIO()
    arrays: Any = frozen.arrays | {"names": np.array(frozen.columns)}
    np.savez(content, **arrays)
    return f"{head}\n{body}\n", content.getvalue()


_HEADS = {
    "numpy": '''"""A fitted encoder of Metarule, made by `metarule export`: NumPy is all that it needs.

{sentence}
`Encoder()(rows)` makes them; `Encoder().names` are those of the numbers of a row, in their order. The arrays are in the
.npz of the same name beside this file.
"""

from pathlib import Path

import numpy as xp


class Encoder:
    def __init__(self):
        with xp.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as arrays:
            self.names = arrays["names"].tolist()
            for name in set(arrays) - {{"names"}}:
                setattr(self, name, arrays[name])

    def __call__(self, rows):
        return self.features(rows)
''',
    "torch": '''"""A fitted encoder of Metarule, made by `metarule export`: a module of PyTorch.

{sentence}
`Encoder()(rows)` makes them; `Encoder().names` are those of the numbers of a row, in their order. The arrays are in the
.npz of the same name beside this file.
"""

from pathlib import Path

import numpy
import torch as xp


class Encoder(xp.nn.Module):
    def __init__(self):
        super().__init__()
        with numpy.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as arrays:
            self.names = arrays["names"].tolist()
            for name in set(arrays) - {{"names"}}:
                self.register_buffer(name, xp.from_numpy(arrays[name]))

    def forward(self, rows):
        return self.features(rows)
''',
}
"""What differs: the rest of a module is written in what NumPy and PyTorch have in common, under the name `xp`."""

_ACTIVATIONS = {
    "relu": "xp.clip(x, 0, None)",
    "leaky-relu": "xp.where(x > 0, x, 0.01 * x)",
    "swish": "x * (1 + xp.tanh(x / 2)) / 2",
    "tanh": "xp.tanh(x)",
    "step": "xp.asarray(x > 0, dtype=x.dtype)",
}


def _preparation(frozen: Frozen) -> list[str]:
    lines = [
        "    def prepared(self, rows):",
        '        """The inputs of rows: missing numbers filled, and all of them scaled."""',
        "        rows = xp.asarray(rows, dtype=xp.float64)",
        "        if rows.ndim != 2 or rows.shape[1] != len(self.names):",
        '            raise ValueError(f"A row holds the {len(self.names)} numbers that `names` are of.")',
        "        missing = xp.isnan(rows)",
        "        rows = xp.where(missing, self.median, rows)",
    ]
    if len(frozen.arrays["flagged"]):
        lines.append("        rows = xp.concatenate([rows, xp.asarray(missing[:, self.flagged], dtype=rows.dtype)], 1)")
    scaled = "(rows - self.offset) / self.unit"
    if np.isfinite(frozen.limit):
        scaled = f"xp.clip({scaled}, {-frozen.limit!r}, {frozen.limit!r})"
    return [*lines, f"        return xp.asarray({scaled}, dtype=xp.float32)", ""]


def _network(frozen: Frozen) -> list[str]:
    lines = [
        "    def network(self, x):",
        '        """The base model\'s features of inputs."""',
    ]
    if not frozen.kernels:
        for index in range(frozen.layers):
            lines.append(f"        x = self.activated(x @ self.w{index} + self.b{index})")
        lines.append("        return x")
    else:
        lines.append(f"        x = x.reshape(-1, {', '.join(map(str, frozen.shape))})")
        for index, (size, stride) in enumerate(frozen.kernels):
            seen = f"self.patches(x, {size}, {stride})"
            lines.append(f"        x = self.activated({seen} @ self.w{index} + self.b{index})")
        lines += [
            "        return self.pooled(x, self.rows, self.columns)",
        ]
    if frozen.kernels or frozen.window is not None:
        lines += [
            "",
            "    def pooled(self, x, rows, columns):",
            '        """Means over the cells of a grid."""',
            '        x = xp.einsum("dw,ehwu->ehdu", columns, x)',
            '        x = xp.einsum("ch,ehdu->ecdu", rows, x)',
            "        return x.reshape(len(x), -1)",
            "",
            "    def patches(self, x, size, stride):",
            '        """What a kernel sees at each place, in one row."""',
            "        height, width = (stride * ((side - size) // stride) + 1 for side in x.shape[1:3])",
            "        corners = [(i, j) for i in range(size) for j in range(size)]",
            "        cut = [x[:, i : i + height : stride, j : j + width : stride] for i, j in corners]",
            "        return xp.concatenate(cut, -1)",
        ]
    return [*lines, "", "    def activated(self, x):", f"        return {_ACTIVATIONS[frozen.activation]}", ""]


def _views(frozen: Frozen) -> list[str]:
    mirrored = "mirror" in frozen.arrays
    both = lambda made: f"self.mean_of_both({made})" if mirrored else made
    lines = [
        "    def features(self, rows):",
        '        """The features of rows, each by itself."""',
        "        x = self.prepared(rows)",
        *(["        x = xp.concatenate([x, x[:, self.mirror]])"] if mirrored else []),
        f"        made = {both('self.network(x)')}",
    ]
    if "scale" not in frozen.arrays:
        return [*lines, "        return made"]
    lines.append("        made = (made - self.centre) * self.scale")
    if "rarity" in frozen.arrays:
        lines += [
            "        x = self.rarity * (x > 0)",
            "        x = x / xp.clip((x**2).sum(1)[:, None], 1e-30, None) ** 0.5",
        ]
    if frozen.window is not None:
        size, stride = frozen.window
        shape = ", ".join(map(str, frozen.shape))
        lines += [
            f"        x = self.patches(x.reshape(-1, {shape}), {size}, {stride})",
            *(_LIKE_CONTRAST if "patch_contrast" in frozen.arrays else []),
            "        x = (x - self.patch_mean) @ self.patch_axes",
            "        x = xp.clip(xp.concatenate([x, -x], -1), 0, None)",
            *(
                [f"        detail = {both('self.pooled(x, self.detail_rows, self.detail_columns)')}"]
                if "detail_axes" in frozen.arrays
                else []
            ),
            f"        x = {both('self.pooled(x, self.patch_rows, self.patch_columns)')}",
        ]
    if "skip_axes" in frozen.arrays:
        lines.append("        made = xp.concatenate([made, (x - self.skip_mean) @ self.skip_axes], 1)")
    parts, made = ["made"], []
    if "detail_axes" in frozen.arrays:
        parts.append("(detail - self.detail_mean) @ self.detail_axes")
    if "centroids" in frozen.arrays:
        parts.append("self.near((x - self.near_mean) @ self.near_axes)")
        made += [
            "",
            "    def near(self, keys):",
            '        """By how much each centroid is nearer than the mean one."""',
            "        squares = (keys**2).sum(1)[:, None] - 2 * keys @ self.centroids.T + (self.centroids**2).sum(1)",
            "        distances = xp.sqrt(xp.clip(squares, 0, None) + self.near_softening)",
            "        closeness = xp.clip(distances.mean(1)[:, None] - distances, 0, None)",
            "        return (closeness - self.near_offset) * self.near_scale",
        ]
    if "anchors" in frozen.arrays:
        parts.append("self.recalled((made - self.key_mean) @ self.key_axes)")
        made += _RECALL
    if mirrored:
        made += _MEAN_OF_BOTH
    return [*lines, f"        return xp.concatenate([{', '.join(parts)}], 1)", *made]


_LIKE_CONTRAST = [
    "        x = x - x.mean(-1)[..., None]",
    "        x = x / ((x**2).mean(-1)[..., None] + self.patch_contrast) ** 0.5",
]

_MEAN_OF_BOTH = [
    "",
    "    def mean_of_both(self, made):",
    '        """The mean of what images, the first half of these rows, and their mirror images have."""',
    "        return made.reshape(2, -1, made.shape[1]).mean(0)",
]

_RECALL = [
    "",
    "    def recalled(self, keys):",
    '        """The mean of what the nearest anchors hold, weighted by how near they are."""',
    "        closeness = 2 * keys @ self.anchors.T - (self.anchors**2).sum(1)",
    "        near = xp.argsort(-closeness, 1)[:, : int(self.nearest)]",
    "        rows = xp.arange(len(keys))[:, None]",
    "        distances = xp.clip((keys**2).sum(1)[:, None] - closeness[rows, near], 0, None)",
    "        share = xp.exp(-distances / xp.clip(distances.mean(1), 1e-30, None)[:, None])",
    "        share = share / share.sum(1)[:, None]",
    "        return (self.values[near] * share[:, :, None]).sum(1)",
]
