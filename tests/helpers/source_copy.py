"""Packages of camser, built from a clean copy: a build holds what an earlier one left behind."""

import shutil
import subprocess
import sys

from tests.helpers.recipe_runs import ROOT


def copy_source(folder):
    """Copy what a package is built from into a new folder, which is returned."""
    ignored = shutil.ignore_patterns("__pycache__", "results")
    for name in ("camser", "recipes"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def build(kind, source, folder):
    """Build an "sdist", a "wheel" or an "editable" wheel, as pip does; returns its path."""
    folder.mkdir(exist_ok=True)
    code = "import sys; from setuptools import build_meta; "
    code += f"build_meta.build_{kind}(sys.argv[1])"
    command = [sys.executable, "-c", code, folder]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = (path for path in folder.glob("camser-*.*") if path.suffix in (".whl", ".gz"))
    return built
