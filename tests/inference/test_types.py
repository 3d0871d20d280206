"""A client program of every public call passes ``mypy --strict``."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.helpers.recipe_runs import ROOT

CLIENT = Path(__file__).with_name("client_program.py")
# Of an installed package, mypy shows no errors; a checkout is none.
CHECKOUT = f"[mypy]\nmypy_path = {ROOT}\n[mypy-camser.*]\nfollow_imports = silent\n"


def check(config, cache, *options):
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", config]
    client = shutil.copy(CLIENT, config.parent)  # beside camser, mypy would take the checkout's
    command += ["--cache-dir", cache, *options, client]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=config.parent)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
def test_against_the_checkout(tmp_path):
    config = tmp_path / "mypy.ini"
    config.write_text(CHECKOUT)
    check(config, ROOT / ".mypy_cache/client")  # half a minute the first time, then a second


@pytest.mark.slow
def test_against_the_wheel(wheel, tmp_path):
    venv.create(tmp_path / "environment", with_pip=False)
    python = tmp_path / "environment/bin/python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", python]
    subprocess.run([*pip, "install", "--no-deps", wheel], check=True)
    (site,) = tmp_path.glob("environment/lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\n")
    check(config, tmp_path / "cache", "--python-executable", python)
