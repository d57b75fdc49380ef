"""What `mkdocs build` does beyond Markdown: pages of the API from what each room exports, and formulas as MathML."""

import ast
import html
import re
import tempfile
from pathlib import Path

import latex2mathml.converter
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File


ROOMS = {
    "rules": "rules",
    "models": "models",
    "tasks": "tasks",
    "meta": "meta",
    "estimators": "meta.estimators",
    "testing": "testing",
}
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\s*\\[(\[](.*?)\\[)\]]\s*</\1>([.,;:)]*)', re.S)
_INTERVAL = re.compile(r"\[(-?[\d.]+), (-?[\d.]+)\]")


def exported(init: Path) -> tuple[str, list[str]]:
    """The sentence that a room's `__init__.py` begins with, and the names that it exports, in its order."""
    tree = ast.parse(init.read_text())
    names = [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    return ast.get_docstring(tree) or "", [name for name in names if name]


def top_level(init: Path) -> dict[str, str]:
    """Where the names of `metarule` itself are: NAME -> module below the package."""
    for node in ast.parse(init.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PLACES":
            return ast.literal_eval(node.value)
    raise LookupError("__init__.py has no table _PLACES")


def pages(root: Path) -> dict[str, str]:
    """The Markdown of every page of the API, by its path on the site."""
    made = {}
    listed = [
        f"::: metarule.{module}.{name}\n    options:\n      heading: {name}\n      toc_label: {name}\n"
        for name, module in sorted(top_level(root / "__init__.py").items(), key=lambda it: it[0].lower())
    ]
    intro = "What `from metarule import ...` offers. Each name is imported when it is first used.\n"
    made["api/metarule.md"] = "\n".join(["# metarule", intro, *listed])
    for page, room in ROOMS.items():
        sentence, names = exported(root / room.replace(".", "/") / "__init__.py")
        listed = [f"::: metarule.{room}.{name}\n" for name in sorted(names, key=str.lower)]
        made[f"api/{page}.md"] = "\n".join([f"# metarule.{room}", sentence + "\n", *listed])
    return made


@event_priority(100)  # Before mkdocstrings reads its options.
def on_config(config):
    # The package is the checkout itself, under another name: a folder that holds its rooms as `metarule`.
    root = Path(config.config_file_path).parent
    package = Path(tempfile.mkdtemp()) / "metarule"
    package.mkdir()
    for each in (*root.glob("*.py"), *(init.parent for init in root.glob("*/__init__.py"))):
        (package / each.name).symlink_to(each)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(package.parent)]
    return config


def on_files(files, config):
    for path, text in pages(Path(config.config_file_path).parent).items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_content(content, **_):
    def as_mathml(found):
        element, formula, punctuation = found.groups()
        display, kind = ("block", "formula") if element == "div" else ("inline", "unbroken")
        made = latex2mathml.converter.convert(html.unescape(formula), display=display)
        return f'<{element} class="{kind}">{made}{punctuation}</{element}>'

    # A number stays on one line with its error or its interval.
    content = _INTERVAL.sub("[\\1,\u00a0\\2]", content.replace(" ± ", "\u00a0±\u00a0"))
    return _FORMULA.sub(as_mathml, content)
