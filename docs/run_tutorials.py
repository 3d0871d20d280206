#!/usr/bin/env python3
"""Execute the tutorials: docs/tutorials/*.md is written by hand, *.ipynb beside it has the output.

    python docs/run_tutorials.py             those whose code has changed
    python docs/run_tutorials.py deploy      one
    python docs/run_tutorials.py --all

The site shows the .ipynb, so its build executes nothing. Text that changed is taken over without a
run.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbclient
import nbformat
from myst_nb.core.read import read_myst_markdown_notebook
from nbformat import NotebookNode
from nbformat.v4 import new_output
from PIL import Image
from traitlets.config import Config

FOLDER = Path(__file__).parent / "tutorials"
SHOWN_FOLDER = "~/tutorial"  # in place of the temporary folder's name
MAX_SECONDS = 900  # of a cell
MAX_PIXELS, COLORS = 1000, 64  # of a figure


def main() -> None:
    """Write the executed notebooks, and print how long each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="all by default")
    parser.add_argument("--all", action="store_true", help="also those whose code is the same")
    options = parser.parse_args()
    for name in options.names or names():
        source, path = read(name), FOLDER / f"{name}.ipynb"
        executed = nbformat.read(path, 4) if path.exists() and not options.all else None
        if executed and code(executed) == code(source):
            take_outputs(source, executed)
        else:
            begin = time.perf_counter()
            execute(source)
            print(f"{name}: {time.perf_counter() - begin:.0f} seconds", flush=True)
        source.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
        path.write_text(nbformat.writes(source) + "\n", encoding="utf-8")


def names() -> list[str]:
    """Of the tutorials."""
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "index")


def read(name: str) -> NotebookNode:
    """A tutorial, without output."""
    notebook = read_myst_markdown_notebook((FOLDER / f"{name}.md").read_text(encoding="utf-8"))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Its cells that are executed."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def code(notebook: NotebookNode) -> list[str]:
    """What its cells execute."""
    return [cell.source for cell in code_cells(notebook)]


def take_outputs(notebook: NotebookNode, executed: NotebookNode) -> None:
    """Put the output of an executed notebook with the same code into this one."""
    for cell, other in zip(code_cells(notebook), code_cells(executed), strict=True):
        cell.outputs, cell.execution_count = other.outputs, other.execution_count


def execute(notebook: NotebookNode) -> None:
    """Run a notebook in an empty folder, on one core and without the network.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails; the message has its code and its output.
    """
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TQDM_DISABLE": "1",
        "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm, without Jupyter's widgets
    }
    with tempfile.TemporaryDirectory() as folder:
        nbclient.NotebookClient(
            notebook,
            timeout=MAX_SECONDS,
            resources={"metadata": {"path": folder}},
            record_timing=False,
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}}),
        ).execute(env=environment)
        for cell in code_cells(notebook):
            cell.outputs = list(_plain(cell.outputs, os.path.realpath(folder)))


def _plain(outputs: list[NotebookNode], folder: str) -> Iterator[NotebookNode]:
    """What is printed as one text, without the temporary folder's name; and small figures."""
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    if printed:
        yield new_output("stream", name="stdout", text=printed.replace(folder, SHOWN_FOLDER))
    for output in outputs:
        if output.output_type != "stream":
            if "image/png" in output.data:
                output.data["image/png"] = _small(output.data["image/png"])
            yield output


def _small(png: str) -> str:
    """A PNG with fewer pixels and colors, in base64 as is the argument."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    image.thumbnail((MAX_PIXELS, 10 * MAX_PIXELS))
    written = io.BytesIO()
    image.quantize(COLORS, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return base64.b64encode(written.getvalue()).decode("ascii") + "\n"


if __name__ == "__main__":
    main()
