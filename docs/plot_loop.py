"""Draws the picture of the whole loop: python docs/plot_loop.py docs/loop.svg"""

import sys
from pathlib import Path


INK, RULE, OUTER, DATA = "#333333", "#0072B2", "#B34700", "#666666"
STYLE = "font-family: Helvetica, Arial, 'DejaVu Sans', sans-serif; font-size: 17px"


def box(x, y, width, height, colour, fill="#FFFFFF"):
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="10" fill="{fill}" stroke="{colour}"/>'


def text(x, y, lines, colour=INK, anchor="middle", weight="normal"):
    spans = "".join(f'<tspan x="{x}" dy="{21 if i else 0}">{line}</tspan>' for i, line in enumerate(lines))
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
        box(8, 8, 644, 554, OUTER, "#FFF8F2"),
        text(26, 36, ["Outer loop: meta-training learns the rule, from many tasks"], OUTER, "start", "bold"),
        box(24, 52, 612, 332, RULE, "#F3F9FD"),
        text(42, 80, ["Inner loop: the rule trains a base model, without labels"], RULE, "start", "bold"),
        text(88, 158, ["a batch of", "unlabelled", "examples x"], DATA),
        arrow([(137, 176), (170, 176)], DATA),
        network(194, 108),
        arrow([(194, 280), (346, 280)], INK),
        text(270, 302, ["activity goes up"]),
        arrow([(346, 330), (194, 330)], RULE, dashed=True),
        text(270, 352, ["an error signal comes down"], RULE),
        arrow([(360, 176), (396, 176)], RULE),
        box(400, 102, 222, 148, RULE),
        text(511, 128, ["in every unit a small", "network makes a hidden", "state h of what it sees;"], RULE),
        text(511, 200, ["at every weight a sum", "of terms changes it"], RULE),
        arrow([(511, 252), (511, 300), (384, 300), (384, 218), (358, 218)], RULE),
        text(511, 324, ["weights change;", "then the next batch"], RULE),
        arrow([(120, 386), (120, 424)], INK),
        text(132, 408, ["features"], INK, "start"),
        box(24, 428, 206, 86, INK),
        text(127, 453, ["a few-shot problem: the", "only place where labels", "are seen"]),
        arrow([(232, 471), (268, 471)], OUTER),
        box(272, 448, 106, 46, OUTER),
        text(325, 476, ["meta-loss"], OUTER, weight="bold"),
        arrow([(380, 471), (416, 471)], OUTER),
        box(420, 438, 216, 66, OUTER),
        text(528, 465, ["an estimator: its gradient", "with respect to θ"], OUTER),
        arrow([(528, 436), (528, 388)], OUTER),
        text(516, 416, ["θ, the meta-parameters, takes a step"], OUTER, "end"),
        text(330, 544, ["then the next tasks"], OUTER),
    ]
    heads = "".join(head(colour) for colour in (INK, RULE, OUTER, DATA))
    start = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 570" role="img"'
    return "\n".join([f'{start} style="{STYLE}">', f"<defs>{heads}</defs>", *parts, "</svg>", ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture())
