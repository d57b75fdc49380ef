"""What `mkdocs build` does beyond Markdown: pages of the API and of the notebooks, and formulas as MathML."""

import ast
import base64
import html
import json
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


def notebook(path: Path) -> tuple[str, list[bytes]]:
    """A notebook with its outputs as Markdown, and its pictures, which the Markdown names NAME-0.png and so on."""
    parts, pictures = [], []
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                parts.append(f"![What this cell has drawn]({path.stem}-{len(pictures)}.png)")
                pictures.append(base64.b64decode(output["data"]["image/png"]))
            elif output.get("name") == "stdout":
                parts.append("```text\n" + "".join(output["text"]).rstrip() + "\n```")
    return "\n\n".join(parts), pictures


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
    for path in sorted(Path(config.docs_dir, "notebooks").glob("*.ipynb")):
        text, pictures = notebook(path)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for index, picture in enumerate(pictures):
            files.append(File.generated(config, f"notebooks/{path.stem}-{index}.png", content=picture))
    return files


def on_page_markdown(markdown, page, **_):
    # The list of notebooks leads to their pages here, and to the files themselves where it is read without the site.
    return markdown.replace(".ipynb)", ".md)") if page.file.src_uri == "notebooks/index.md" else markdown


def on_page_content(content, **_):
    def as_mathml(found):
        element, formula, punctuation = found.groups()
        display, kind = ("block", "formula") if element == "div" else ("inline", "unbroken")
        made = latex2mathml.converter.convert(html.unescape(formula), display=display)
        if unknown := re.search(r">\s*(\\\w+)", made):  # The converter leaves the command in the text.
            raise ValueError(f"{unknown[1]} can't be shown as it is used in {formula!r}; write the formula without.")
        return f'<{element} class="{kind}">{made}{punctuation}</{element}>'

    # A number stays on one line with its error or its interval.
    content = _INTERVAL.sub("[\\1,\u00a0\\2]", content.replace(" ± ", "\u00a0±\u00a0"))
    return _FORMULA.sub(as_mathml, content)
