"""Draws the picture of the whole loop: python docs/plot_loop.py docs/loop.svg"""

import sys
from pathlib import Path


INK, RULE, OUTER, DATA = "#333333", "#0072B2", "#B34700", "#666666"
STYLE = "font-family: Helvetica, Arial, 'DejaVu Sans', sans-serif; font-size: 15px"


def box(x, y, width, height, colour, fill="#FFFFFF"):
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="10" fill="{fill}" stroke="{colour}"/>'


def text(x, y, lines, colour=INK, anchor="middle", weight="normal"):
    spans = "".join(f'<tspan x="{x}" dy="{19 if i else 0}">{line}</tspan>' for i, line in enumerate(lines))
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">{spans}</text>'


def arrow(points, colour, dashed=False):
    path = " L ".join(f"{x} {y}" for x, y in points)
    dashes = ' stroke-dasharray="6 4"' if dashed else ""
    head = f'marker-end="url(#{colour[1:]})"'
    return f'<path d="M {path}" fill="none" stroke="{colour}" stroke-width="2"{dashes} {head}/>'


def head(colour):
    return (
        f'<marker id="{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M 0 0 L 10 5 L 0 10 z" fill="{colour}"/></marker>'
    )


def network(x, y):
    """Three populations of units, joined by lines."""
    columns = [[(x + 75 * i, y + 34 * j - 17 * (count - 5)) for j in range(count)] for i, count in enumerate((5, 4, 3))]
    lines = [
        f'<line x1="{a}" y1="{b}" x2="{c}" y2="{d}" stroke="#BBBBBB"/>'
        for left, right in zip(columns, columns[1:])
        for a, b in left
        for c, d in right
    ]
    units = [
        f'<circle cx="{a}" cy="{b}" r="10" fill="#FFFFFF" stroke="{INK}" stroke-width="1.5"/>'
        for column in columns
        for a, b in column
    ]
    return "\n".join([*lines, *units])


def picture():
    parts = [
        box(10, 10, 940, 460, OUTER, "#FFF8F2"),
        text(30, 38, ["Outer loop: meta-training learns the rule, from many tasks"], OUTER, "start", "bold"),
        box(30, 60, 640, 320, RULE, "#F3F9FD"),
        text(50, 87, ["Inner loop: the rule trains a base model, without labels"], RULE, "start", "bold"),
        text(95, 165, ["a batch", "of unlabelled", "examples x"], DATA),
        arrow([(148, 180), (190, 180)], DATA),
        network(213, 115),
        arrow([(215, 292), (363, 292)], INK),
        text(289, 314, ["activity goes up"]),
        arrow([(363, 336), (215, 336)], RULE, dashed=True),
        text(289, 358, ["an error signal comes down"], RULE),
        arrow([(385, 180), (440, 180)], RULE),
        box(445, 112, 205, 136, RULE),
        text(547, 137, ["in every unit: a small", "network makes a hidden", "state h of what it sees"], RULE),
        text(547, 207, ["at every weight: a sum", "of terms changes it"], RULE),
        arrow([(547, 250), (547, 318), (400, 318), (400, 225), (377, 225)], RULE),
        text(525, 344, ["weights change; then the next batch"], RULE),
        box(700, 112, 230, 62, INK),
        text(815, 138, ["few-shot problem: ten", "labels a class, ridge readout"]),
        text(815, 76, ["features are scored: the only", "place where labels are seen"], DATA),
        arrow([(670, 143), (697, 143)], INK),
        arrow([(815, 176), (815, 221)], OUTER),
        box(735, 224, 160, 42, OUTER),
        text(815, 250, ["meta-loss"], OUTER, weight="bold"),
        arrow([(815, 268), (815, 313)], OUTER),
        box(715, 316, 200, 62, OUTER),
        text(815, 342, ["an estimator makes its", "gradient with respect to θ"], OUTER),
        arrow([(815, 380), (815, 425), (420, 425), (420, 384)], OUTER),
        text(617, 450, ["θ, the meta-parameters of the rule, takes a step; then the next tasks"], OUTER),
    ]
    heads = "".join(head(colour) for colour in (INK, RULE, OUTER, DATA))
    start = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 480" role="img"'
    return "\n".join([f'{start} style="{STYLE}">', f"<defs>{heads}</defs>", *parts, "</svg>", ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture())
