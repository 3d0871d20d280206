"""What must hold before a release: versions, changelog, and the wheel on every Python at hand.

`make release-check` builds the site first. With --no-dependencies, the wheel is installed alone, in
seconds.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
CHANGE = re.compile(r"^## \[(?P<version>[^]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.M)


def main() -> None:
    """Print each problem; the exit status is 1 if there is one.

    Nothing is installed as long as the versions disagree.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-dependencies", action="store_true")
    alone = parser.parse_args().no_dependencies
    problems = [*version_problems(ROOT)] or [*wheel_problems(build_wheel(), alone)]
    print("\n".join(problems) or "ready for a release")
    sys.exit(bool(problems))


def version_problems(root: Path) -> Iterator[str]:
    """Whether code, citation and changelog name one version, and the changelog its day."""
    code = _found(r'^__version__ = "(.+)"$', root / "camser/__init__.py")
    cited = _found(r"^version: (.+)$", root / "CITATION.cff")
    if cited != code:
        yield f"CITATION.cff has version {cited}, camser/__init__.py {code}"
    found = CHANGE.search((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    if not found or found["version"] != code or not found["date"]:
        yield (
            f"CHANGELOG.md: its first section is {found[0] if found else 'missing'!r}. "
            f'Name it "## [{code}] - YEAR-MONTH-DAY", with the day of the release'
        )


def _found(pattern: str, path: Path) -> str:
    match = re.search(pattern, path.read_text(encoding="utf-8"), re.M)
    return match[1] if match else "none"


def build_wheel() -> Path:
    """The wheel of this tree, in an empty ``dist``."""
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", "dist", "."]
    subprocess.run(command, cwd=ROOT, check=True)
    (wheel,) = (ROOT / "dist").glob("camser-*.whl")
    return wheel


def wheel_problems(wheel: Path, alone: bool) -> Iterator[str]:
    """Install the wheel in a new environment of each Python, and run it elsewhere."""
    for version in PYTHONS:
        if not _runs(f"python{version}"):
            print(f"python{version} is not at hand")
            continue
        with tempfile.TemporaryDirectory() as folder:
            ended = _try_wheel(f"python{version}", wheel, Path(folder), alone)
        print(f"python{version}: {ended or 'installs and runs'}")
        if ended:
            yield f"the wheel on python{version}: {ended}"


def _runs(program: str) -> bool:
    """Whether a program is there; a shim of pyenv may be there without it."""
    found = shutil.which(program)
    return bool(found) and not subprocess.run([program, "-V"], capture_output=True).returncode


def _try_wheel(python: str, wheel: Path, folder: Path, alone: bool) -> str:
    """What failed, or nothing."""
    bin_folder = folder / "environment/bin"
    pip = [bin_folder / "python", "-m", "pip", "install", "--quiet"]
    commands: list[list[str | Path]] = [
        [python, "-m", "venv", folder / "environment"],
        [*pip, *(["--no-deps"] if alone else []), wheel],
        [bin_folder / "camser", "plugins", "list"],
        [bin_folder / "camser", "recipes", "list"] if not alone else [],
        [bin_folder / "camser", "plugins", "list", "--load"] if not alone else [],
        [bin_folder / "camser", "doctor"] if not alone else [],
        [bin_folder / "camser", "synthesize-corpus", folder / "corpus"] if not alone else [],
    ]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for command in filter(None, commands):
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if ended.returncode:
            said = (ended.stderr or ended.stdout).strip().splitlines()[-1:] or ["no message"]
            return f"{' '.join(map(str, command))}: {said[0]}"
    return ""


if __name__ == "__main__":
    main()
