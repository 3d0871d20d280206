"""Who imports whom, and what the project does not say of the machine it was made on."""

import ast
import re
import subprocess

import pytest
from conftest import ROOT

BASE = {"registry", "corpus", "files", "audio", "metrics", "segments", "voice"}
ALLOWED = {
    "registry": set(),
    "files": set(),
    "sealed": set(),
    "history": set(),
    "random_state": set(),
    "audio": set(),
    "child": set(),
    "npz": set(),
    "reading": set(),
    "metrics": set(),
    "segments": set(),
    "corpus": {"files", "reading"},
    "voice": {"audio"},
    "synthetic": {"audio", "voice"},
    "arguments": set(),
    "merging": {"arguments", "registry"},
    "references": {"arguments", "merging"},
    "allowed": {"arguments", "reading"},
    "settings": {"allowed", "arguments", "merging", "reading", "references", "registry"},
    "curves": {"arguments"},
    "resuming": {"corpus", "files", "results", "settings"},
    "prepare": {"audio", "corpus", "files", "sealed"},
    "folds": {"corpus"},
    "results": {"corpus", "files", "npz", "reading", "sealed"},
    "encoders": {"registry", "encoders"},
    "fusion": {"registry", "encoders.base", "fusion"},
    "model": {"segments", "encoders", "fusion"},
    "provenance": {"registry"},
    "build": {"registry", "audio", "encoders", "fusion.base", "model"},
    "arrays": {"files"},
    "packed": {"arrays", "audio", "corpus"},
    "data": {"arrays", "corpus", "packed", "segments"},
    "kept": {"arrays", "corpus", "data", "determinism", "encoders.base", "packed"},
    "prepared": {"arrays", "corpus", "data", "kept", "model", "packed"},
    "scoring": set(),
    "determinism": set(),
    "interrupts": {"shortages"},
    "shortages": set(),
    "together": set(),
    "endings": {"interrupts", "shortages"},
    "locking": {"together"},
    "buffers": set(),
    "trainer": {
        "buffers",
        "checkpoints",
        "compiling",
        "data",
        "finite",
        "interrupts",
        "shortages",
        "together",
    },
    "stopping": set(),
    "automatic": set(),
    "compiling": set(),
    "finite": set(),
    "optimizers": {"registry"},
    "checkpoints": {"files", "provenance", "sealed", "together"},
    "brain": {
        "automatic",
        "checkpoints",
        "compiling",
        "data",
        "determinism",
        "finite",
        "folds",
        "history",
        "metrics",
        "model",
        "optimizers",
        "random_state",
        "results",
        "scoring",
        "shortages",
        "trainer",
    },
    "inspection": {"brain", "corpus", "encoders.spectrogram", "packed", "scoring"},
    "sweep": {
        "arguments",
        "build",
        "child",
        "corpus",
        "endings",
        "folds",
        "interrupts",
        "prepare",
        "results",
        "resuming",
        "settings",
        "sweep",
    },
    "inference": {
        "audio",
        "build",
        "files",
        "inference",
        "model",
        "provenance",
        "reading",
        "registry",
        "sealed",
        "segments",
        "shortages",
    },
    "export": {
        "audio",
        "build",
        "checkpoints",
        "child",
        "corpus",
        "export",
        "files",
        "inference",
        "metrics",
        "model",
        "provenance",
        "reading",
        "results",
        "resuming",
        "settings",
        "shortages",
    },
    "testing": {
        "audio",
        "build",
        "compiling",
        "encoders.base",
        "fusion",
        "inference",
        "model",
        "registry",
        "testing",
    },
    "report": {"files", "folds", "metrics", "reading", "report", "results"},
    "doctor": {"child", "doctor", "registry"},
    "demo": {
        "audio",
        "demo",
        "encoders.spectrogram",
        "inference",
        "report.figures",
        "segments",
        "synthetic",
        "voice",
    },
    "plugins": {
        "audio",
        "build",
        "encoders",
        "files",
        "fusion",
        "model",
        "plugins",
        "registry",
        "settings",
        "testing",
    },
    "experiment": None,  # the story: it may use everything
    "cli": None,
    "classify": None,
    "__init__": set(),
}


def modules():
    return sorted((ROOT / "camser").rglob("*.py"))


def name_of(path):
    return ".".join(path.relative_to(ROOT / "camser").with_suffix("").parts)


def imports(path):
    """The camser modules that a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "camser":
            base = node.module.removeprefix("camser").lstrip(".")
            found |= {base} if base else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names = (a.name for a in node.names if a.name.startswith("camser."))
            found |= {n.removeprefix("camser.") for n in names}
    return found


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_one_way(path):
    package = name_of(path).split(".")[0]
    allowed = ALLOWED[package]
    if allowed is not None:
        wrong = {n for n in imports(path) if n not in allowed and n.split(".")[0] not in allowed}
        assert not wrong, f"{name_of(path)} imports {sorted(wrong)}; CONTRIBUTING has the rule"


def test_recipes_examples_and_bench_are_not_imported():
    users = {ROOT / folder for folder in ("recipes", "examples", "bench")}
    theirs = {path.stem for folder in users for path in folder.rglob("*.py")}
    for path in modules():
        assert not roots(path) & {*theirs, *(folder.name for folder in users)}, path


def roots(path):
    """The top-level packages that a file imports, at any depth."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
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
