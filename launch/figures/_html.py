import base64
import html
from collections.abc import Mapping, Sequence


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } section { margin: 2.5rem 0; }
img { max-width: 100%; height: auto; } figure { margin: 0; } figcaption, footer { color: #555; font-size: 0.9rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.85rem; }
th, td { text-align: left; padding: 0.15rem 0.8rem 0.15rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; min-width: 2.5rem; }
td:first-child { overflow-wrap: normal; white-space: nowrap; }
summary { cursor: pointer; margin-top: 0.5rem; }
"""


def page(title: str, sections: Sequence[str], foot: str) -> str:
    """Returns an HTML page of these sections and a footer. It loads nothing from the network."""
    name = html.escape(title)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>'
    body = "\n".join([f"<h1>{name}</h1>", *sections, f"<footer>{html.escape(foot)}</footer>"])
    head += f"<style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def section(title: str, *parts: str, caption: str = "") -> str:
    """Returns a section of a page. Parts are HTML; title and caption are text. The caption follows the first part."""
    first, *rest = parts
    shown = f"<figure>{first}<figcaption>{html.escape(caption)}</figcaption></figure>" if caption else first
    return "\n".join([f"<section><h2>{html.escape(title)}</h2>", shown, *rest, "</section>"])


def picture(png: bytes, alternative: str) -> str:
    """Returns an HTML image with the PNG embedded in it."""
    return f'<img alt="{html.escape(alternative)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def table(rows: Sequence[Mapping[str, str]], summary: str = "", note: str = "") -> str:
    """Returns an HTML table with the columns of its first row; with a summary it can be unfolded."""
    names = list(rows[0]) if rows else []
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(row[name])}</td>" for name in names) + "</tr>" for row in rows)
    html_table = f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>{html.escape(note)}'
    return f"<details><summary>{html.escape(summary)}</summary>{html_table}</details>" if summary else html_table
