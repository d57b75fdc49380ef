import base64
import html
from collections.abc import Mapping, Sequence
from urllib.parse import quote


_STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #555; --line: #ddd; --paper: #fff; --link: #0060a8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --soft: #aaa; --line: #444; --paper: #16181c; --link: #7ab8f5; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
a { color: var(--link); } h1, h2 { line-height: 1.2; overflow-wrap: anywhere; } section { margin: 2.5rem 0; }
.lead { font-size: 1.15rem; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 6px; } figure { margin: 0; }
figcaption, footer { color: var(--soft); font-size: 0.9rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.85rem; }
th, td { text-align: left; padding: 0.15rem 0.8rem 0.15rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; min-width: 2.5rem; }
td:first-child { overflow-wrap: normal; }
summary { cursor: pointer; margin-top: 0.5rem; }
@media (max-width: 600px) { body { margin: 1rem auto; } table { font-size: 0.8rem; } }
@media print {
  :root { --ink: #000; --soft: #333; --line: #bbb; --paper: #fff; --link: #000; }
  body { max-width: none; margin: 0; } section { margin: 1.2rem 0; } figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; } .wide { overflow: visible; }
}
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


def lead(*sentences: str) -> str:
    """Returns the paragraph that a page begins with."""
    return f'<p class="lead">{html.escape(" ".join(sentences))}</p>'


def link(address: str, text: str) -> str:
    """Returns an HTML link."""
    return f'<a href="{html.escape(quote(address))}">{html.escape(text)}</a>'


def paragraph(text: str, *links: str) -> str:
    """Returns a paragraph of text and, after it, links with commas between them."""
    return f"<p>{html.escape(text)}{', '.join(links)}</p>"


def picture(png: bytes, alternative: str, narrow: bytes | None = None) -> str:
    """Returns an HTML image with the PNG embedded in it, and with another one for narrow screens if there is one."""
    image = f'<img alt="{html.escape(alternative)}" src="{_embedded(png)}">'
    if narrow is None:
        return image
    return f'<picture><source media="(max-width: 600px)" srcset="{_embedded(narrow)}">{image}</picture>'


def _embedded(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def table(rows: Sequence[Mapping[str, str]], summary: str = "", note: str = "") -> str:
    """Returns an HTML table with the columns of its first row; with a summary it can be unfolded."""
    names = list(rows[0]) if rows else []
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(row[name])}</td>" for name in names) + "</tr>" for row in rows)
    html_table = f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>{html.escape(note)}'
    return f"<details><summary>{html.escape(summary)}</summary>{html_table}</details>" if summary else html_table
