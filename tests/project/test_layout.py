"""Who imports whom, and what the project does not say of the machine it was made on."""

import ast
import re
import subprocess

import pytest

from tests.helpers.recipe_runs import ROOT, load_module

IMPORTS = load_module("docs/imports.py")
PLACE = {part: number for number, line in enumerate(IMPORTS.LINES) for part in line}


def modules():
    return sorted(IMPORTS.PACKAGE.rglob("*.py"))


def name_of(path):
    return ".".join(path.relative_to(IMPORTS.PACKAGE).with_suffix("").parts)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_folder_imports_only_what_stands_before_it(path):
    own = IMPORTS.part_of(path)
    if own != "__init__":
        others = {*IMPORTS.imports(path)} - {own}
        wrong = {part for part in others if PLACE[part] >= PLACE[own]}
        assert not wrong, f"{name_of(path)} imports {sorted(wrong)}; CONTRIBUTING has the order"


def test_contributing_has_the_order_and_the_figure_is_of_this_code():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "\n".join(f"    {', '.join(line)}" for line in IMPORTS.LINES) in text
    figure = (ROOT / "docs/imports.svg").read_text(encoding="utf-8")
    assert figure == IMPORTS.figure(), "run: python docs/imports.py"


def test_what_ships_imports_neither_the_tests_nor_what_is_for_them():
    users = ("recipes", "examples", "bench", "robustness", "tests")
    for path in modules():
        assert not roots(path) & {*users, "mock"}, path
        assert "unittest.mock" not in path.read_text(encoding="utf-8"), path


def roots(path):
    """The top-level packages that a file imports, at any depth."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    whole = {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    parts = {n.module for n in nodes if isinstance(n, ast.ImportFrom) and not n.level}
    return {name.split(".")[0] for name in whole | parts}


def tracked():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_file_holds_a_path_of_one_machine():
    pattern = re.compile(r"/(?:ho[m]e|ro[o]t|wo[r]k|Us[e]rs)/\w")
    for path in tracked():
        if path.suffix in {".py", ".md", ".yaml", ".cfg", ".toml", ".txt", ".json", ""}:
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_files_stay_small():
    long = {p.name: n for p in modules() if (n := len(p.read_text().splitlines())) > 250}
    assert not long, f"over 250 lines, to be split along their ideas: {long}"
