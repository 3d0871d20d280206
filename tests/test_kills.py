"""Runs and sweeps that are killed or damaged: a few trials of each of the campaigns' kinds."""

import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("campaign", ["kills", "damage", "sweeps"])
def test_nothing_is_lost(campaign):
    command = [sys.executable, ROOT / f"faults/{campaign}.py", "--number", "2", "--seed", "1"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
