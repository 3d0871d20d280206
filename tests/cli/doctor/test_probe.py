"""The doctor in a real environment: imports that fail, hang or end Python, and the command."""

import json
import subprocess
import sys

import pytest

from camser.cli import main
from camser.cli.doctor import probe
from camser.cli.doctor.checks import TORCH
from tests.helpers.fake_distributions import write_distribution
from tests.helpers.recipe_runs import ROOT


def test_an_import_that_fails_hangs_or_ends_python_stops_no_other(tmp_path, monkeypatch):
    sources = {
        "fake_noisy": "print('no answer'); __version__ = '1.0'",
        "fake_raising": "raise RuntimeError('two\\nlines')",
        "fake_exiting": "raise SystemExit(3)",
        "fake_deadly": "import os, sys; sys.stderr.write('a symbol is missing\\n'); os._exit(66)",
        "fake_hanging": "import time; time.sleep(600)",
        "fake_fine": "",
    }
    lines = ["bad = fake_raising:Bad"]
    write_distribution(tmp_path, "fake", lines, **sources)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert probe.ask([*sources, "encoder bad"], seconds=8) == [
        {},
        {"error": "cannot be imported: RuntimeError: two lines"},
        {"error": "cannot be imported: SystemExit: 3"},
        {"error": "it ends Python itself, with status 66 (a symbol is missing)"},
        {"error": "it takes more than 8 s (no message)"},
        {},
        {"error": "cannot be imported: RuntimeError: two lines"},
    ]


def test_the_command_judges_this_environment(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json"])
    lines = json.loads(capsys.readouterr().out)
    marks = {line["name"]: line["mark"] for line in lines}
    assert ended.value.code == int("wrong" in marks.values())
    needed = {*TORCH, "speechbrain", "scikit-learn", "encoder wav2vec2", "fusion co_attention"}
    assert {marks[name] for name in needed} == {"ok"}


def test_judging_needs_only_the_standard_library_and_packaging():
    code = (
        "import sys; before = set(sys.modules); import camser.cli.doctor.checks; "
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {"camser", "packaging", *sys.stdlib_module_names}
