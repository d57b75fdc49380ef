import itertools
import textwrap
from collections.abc import Iterator


def rejoined(lines: list[str]) -> list[str]:
    """Help in boxes whose sentences go on to the end of each line.

    The parser keeps the ends of lines that a docstring has within a sentence. Here each paragraph in a box is filled
    anew; a line that begins with a dash, or an option with its name, begins another one.
    """
    out: list[str] = []
    for inside, group in itertools.groupby(lines, lambda line: line[:1] in _SIDES and line[-1:] in _SIDES):
        out += _filled([*group]) if inside else [*group]
    return out


_SIDES = ("│", "|")


def without_empty_defaults(text: str) -> str:
    """An option's words without what the parser says of one that may be left out: that nothing is its default."""
    return text.removesuffix(" (default: )").removesuffix(" (default: none)")


def _filled(lines: list[str]) -> Iterator[str]:
    """The lines of one box, with its sides."""
    side, width = lines[0][0], len(lines[0]) - 4
    rule = next(
        (place for place, line in enumerate(lines) if line[2:3] in ("─", "-") and len(set(line[2:-2])) == 1), -1
    )
    paragraph, indent = "", 0

    def end() -> Iterator[str]:
        head, text = paragraph[:indent], without_empty_defaults(paragraph[indent:])
        for part in textwrap.wrap(text, width - indent, break_on_hyphens=False) or [""]:
            yield f"{side} {head + part:<{width}} {side}"
            head = " " * indent

    for place, line in enumerate(lines):
        text = line[2:-2].rstrip()
        start = len(text) - len(text.lstrip())
        goes_on = text.strip() and not text.lstrip().startswith("- ") and (start > 0 or place < rule)
        if place and goes_on and start == indent and paragraph.strip():
            paragraph += " " + text.strip()
            continue
        if place:
            yield from end()
        paragraph, indent = text, _text_start(text) if start == 0 and place > rule else start
    yield from end()


def _text_start(line: str) -> int:
    """Where the words of an option begin: behind its name and two spaces or more; 0 where they begin below."""
    name, gap, _ = line.partition("  ")
    return len(line) - len(line[len(name) :].lstrip()) if gap else 0
