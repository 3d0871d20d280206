"""Who imports whom, and what the project does not say of the machine it was made on."""

import ast
import re
import subprocess

import pytest

from tests.helpers.recipe_runs import ROOT

# A line may import what stands on lines before it; neighbours on a line do not import each other.
ORDER = """
    registry audio segments
    runtime
    config data
    encoders
    fusion
    model
    build
    evaluation
    training inference
    export testing
    experiment
    cli
"""
LINES = [line.split() for line in ORDER.strip().splitlines()]
PLACE = {part: number for number, line in enumerate(LINES) for part in line}


def modules():
    return sorted((ROOT / "camser").rglob("*.py"))


def name_of(path):
    return ".".join(path.relative_to(ROOT / "camser").with_suffix("").parts)


def imports(path):
    """The parts of camser that a file imports, inside of functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "camser":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("camser."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            yield from (name.split(".")[1] for name in names if name.startswith("camser."))


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_folder_imports_only_what_stands_before_it(path):
    own = name_of(path).split(".")[0]
    if own != "__init__":
        wrong = {part for part in imports(path) if part != own and PLACE[part] >= PLACE[own]}
        assert not wrong, f"{name_of(path)} imports {sorted(wrong)}; CONTRIBUTING has the order"


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
    long = {p.name: n for p in modules() if (n := len(p.read_text().splitlines())) > 300}
    assert not long, f"over 300 lines, to be split along their ideas: {long}"
