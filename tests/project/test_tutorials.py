"""The tutorials: the site shows what their code gave, and the code runs."""

import nbformat
import pytest

from tests.helpers.recipe_runs import ROOT, load_module

TUTORIALS = load_module("docs/run_tutorials.py")
NAMES = TUTORIALS.names()


def executed(name):
    return nbformat.read(TUTORIALS.FOLDER / f"{name}.ipynb", 4)


def cells(notebook):
    """The cells as they were written."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def forms(notebook):
    """Of each cell's outputs: printed text, or the forms of a value."""
    return [
        [output.get("name") or sorted(output.data) for output in cell.get("outputs", ())]
        for cell in notebook.cells
    ]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_is_of_this_text_and_this_code(name):
    assert cells(executed(name)) == cells(TUTORIALS.read(name)), "run: make tutorials"


@pytest.mark.parametrize("name", NAMES)
def test_no_output_is_an_error_or_bulky(name):
    text = (TUTORIALS.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len(text) < 300_000 and '"output_type": "error"' not in text
    assert str(ROOT) not in text and "site-packages" not in text


def test_there_is_a_figure_in_most():
    with_figure = [n for n in NAMES if any("image/png" in str(f) for f in forms(executed(n)))]
    assert len(NAMES) == 5 and len(with_figure) >= 4


def test_text_that_changed_keeps_the_output(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(TUTORIALS, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["run_tutorials.py"])
    head = "---\nfile_format: mystnb\nkernelspec: {name: python3, display_name: Python 3}\n---\n"
    page = tmp_path / "a.md"
    page.write_text(f"{head}# One\n\n```{{code-cell}}\nprint('x' * 200)\n```\n", encoding="utf-8")
    TUTORIALS.main()
    assert capsys.readouterr().out.startswith("a: ")
    assert executed("a").cells[1].outputs[0].text == "x" * 200 + "\n"
    page.write_text(page.read_text().replace("# One", "# Two"), encoding="utf-8")
    TUTORIALS.main()
    assert not capsys.readouterr().out and executed("a").cells[0].source == "# Two"
    assert forms(executed("a")) == [[], ["stdout"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_tutorial_runs_and_gives_what_is_shown(name):
    notebook = TUTORIALS.read(name)
    TUTORIALS.execute(notebook)
    assert forms(notebook) == forms(executed(name))
