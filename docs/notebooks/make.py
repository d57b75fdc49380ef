"""Makes the notebooks from the scripts beside it: python docs/notebooks/make.py [--run] [NAME ...]

A script is in the percent format of jupytext. A notebook begins with a link that opens it in Colab, and a cell that
installs Metarule there. With --run it is executed, too, and keeps its outputs; without, it loses them.
"""

import re
import sys
from pathlib import Path

import jupytext


HERE = Path(__file__).parent
SCRIPTS = {file.stem: file for file in sorted(HERE.glob("*.py")) if file.stem != "make"}
REPOSITORY = re.search(r"^  repository: (\S+)", (HERE.parents[1] / "mkdocs.yml").read_text(), re.M)[1]
INSTALL = f"""try:
    import metarule
except ModuleNotFoundError:  # In Colab.
    %pip install --quiet "metarule @ git+https://github.com/{REPOSITORY}"
"""


def notebook(name):
    """The notebook of this script, not executed."""
    made = jupytext.read(SCRIPTS[name], fmt="py:percent")
    link = f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/docs/notebooks/{name}.ipynb"
    title, _, rest = made.cells[0].source.partition("\n")
    made.cells[0].source = f"{title}\n\n[Open in Colab]({link})\n{rest}"
    install = jupytext.reads(f"# %%\n{INSTALL}", fmt="py:percent").cells[0]
    install.source = INSTALL.rstrip()  # As a notebook writes it: jupytext would make a comment of the line with %.
    made.cells.insert(1, install)
    for index, cell in enumerate(made.cells):
        cell["id"] = f"cell-{index}"  # Else drawn at random, and no two notebooks of one script would be equal.
    made.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return made


def executed(made):
    """The notebook with its outputs; pictures are small."""
    import nbclient

    setup = "%config InlineBackend.figure_formats = ['png']\n%config InlineBackend.rc = {'figure.dpi': 60}\n"
    plain = made.cells[1].source
    made.cells[1].source = setup + plain
    nbclient.NotebookClient(made, timeout=1200, kernel_name="python3").execute()
    made.cells[1].source = plain
    for cell in made.cells:
        cell.metadata = {}
    return made


def main(arguments):
    for name in [word for word in arguments if word != "--run"] or SCRIPTS:
        made = notebook(name)
        if "--run" in arguments:
            made = executed(made)
        jupytext.write(made, HERE / f"{name}.ipynb", fmt="ipynb")


if __name__ == "__main__":
    main(sys.argv[1:])
