"""Runs and sweeps that are killed, damaged or run short: some trials of each campaign's kinds."""

import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("campaign", "number"), [("kills", 2), ("damage", 2), ("sweeps", 2), ("resources", 1)]
)
def test_nothing_is_lost(campaign, number):
    script = ROOT / f"faults/{campaign}.py"
    command = [sys.executable, script, "--number", str(number), "--seed", "1"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
