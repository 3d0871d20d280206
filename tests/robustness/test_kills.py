"""Runs and sweeps that are killed, damaged or run short: some trials of each campaign's kinds."""

import subprocess
import sys

import pytest

from tests.helpers.recipe_runs import ROOT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("campaign", "number"), [("kill", 2), ("damaged_files", 2), ("crossval", 2), ("resources", 1)]
)
def test_nothing_is_lost(campaign, number):
    module = f"robustness.crashes.{campaign}"
    command = [sys.executable, "-m", module, "--number", str(number), "--seed", "1"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
