"""What `mkdocs build` adds to the pages: the API of every room, and formulas. Needs the extra `docs`."""

import json
import re
import runpy
from importlib import import_module
from pathlib import Path

import metarule
import pytest


pytest.importorskip("mkdocstrings", reason="the site needs pip install '.[docs]'")
CHECKOUT = Path(__file__).parents[1]
site = runpy.run_path(str(CHECKOUT / "docs" / "_site.py"))


def named(text):
    return re.findall(r"^::: metarule\.\S*?(\w+)$", text, re.M)


def test_the_api_has_every_name_that_metarule_offers():
    pages = site["pages"](CHECKOUT)
    assert sorted(named(pages["api/metarule.md"])) == sorted(metarule.__all__)
    for page, room in site["ROOMS"].items():
        module = import_module(f"metarule.{room}")
        offered = [name for name, it in vars(module).items() if name[0] != "_" and not re.match("<module", repr(it))]
        assert sorted(named(pages[f"api/{page}.md"])) == sorted(offered)
        assert module.__doc__ in pages[f"api/{page}.md"]


def test_every_page_of_the_api_is_in_the_navigation():
    listed = re.findall(r"api/\w+\.md", (CHECKOUT / "mkdocs.yml").read_text())
    assert sorted(listed) == sorted(site["pages"](CHECKOUT))


def test_formulas_become_mathml_and_stay_beside_their_full_stop():
    made = site["on_page_content"](r'<p>So <span class="arithmatex">\(a_1 &lt; 2\)</span>. It is 3.1 ± 0.2.</p>')
    assert (
        made.startswith('<p>So <span class="unbroken"><math') and made.count("<msub><mi>a</mi><mn>1</mn></msub>") == 1
    )
    assert "</math>.</span>" in made and "arithmatex" not in made
    assert "3.1\u00a0±\u00a00.2" in made


def test_a_formula_that_cant_be_shown_stops_the_build():
    with pytest.raises(ValueError, match=r"\\langle can't be shown as it is used"):
        site["on_page_content"](r'<p><span class="arithmatex">\(\bigl\langle x \bigr\rangle\)</span></p>')


def test_a_notebook_becomes_a_page_with_its_outputs(tmp_path):
    picture = {"output_type": "display_data", "data": {"image/png": "cG5n"}}
    told = {"output_type": "stream", "name": "stdout", "text": ["84%\n"]}
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {"cell_type": "code", "source": ["print(1)"], "outputs": [picture, told]},
    ]
    (tmp_path / "some.ipynb").write_text(json.dumps({"cells": cells}))
    text, pictures = site["notebook"](tmp_path / "some.ipynb")
    assert text.split("\n\n") == [
        "# Title", "```python\nprint(1)\n```", "![What this cell has drawn](some-0.png)", "```text\n84%\n```"
    ]  # fmt: skip
    assert pictures == [b"png"]
