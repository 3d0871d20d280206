"""The doctor in a real environment: imports that fail, or end Python, and the command."""

import json
import subprocess
import sys

import pytest

from camser.cli import main
from camser.cli.doctor import probe
from camser.cli.doctor.torch_versions import FAMILY
from tests.helpers.recipe_runs import ROOT


def test_an_import_that_raises_exits_or_ends_python_stops_no_other(tmp_path, monkeypatch):
    sources = {
        "fake_noisy": "print('no answer'); __version__ = '1.0'",
        "fake_raising": "raise RuntimeError('two\\nlines')",
        "fake_exiting": "raise SystemExit(3)",
        "fake_deadly": "import os, sys; sys.stderr.write('a symbol is missing\\n'); os._exit(66)",
        "fake_fine": "",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    answers = dict(zip(sources, probe.ask(list(sources)), strict=True))
    assert answers["fake_noisy"] == {"version": "1.0"}
    assert answers["fake_raising"] == {"error": "RuntimeError: two lines"}
    assert answers["fake_exiting"] == {"error": "SystemExit: 3"}
    deadly = "it ends Python itself, with status 66 (a symbol is missing)"
    assert answers["fake_deadly"] == {"error": deadly}
    assert answers["fake_fine"] == {"version": None}


def test_a_plugins_own_error_is_given(tmp_path, monkeypatch):
    info = tmp_path / "fake-0.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake\nVersion: 0.9\n")
    (info / "entry_points.txt").write_text("[camser.encoders]\nbad = fake_bad:Bad\n")
    (tmp_path / "fake_bad.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert probe.ask(["encoder fake:bad"]) == [{"error": "RuntimeError: no licence"}]


def test_the_command_judges_this_environment(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json"])
    lines = json.loads(capsys.readouterr().out)
    marks = {line["name"]: line["mark"] for line in lines}
    assert ended.value.code == int("wrong" in marks.values())
    needed = {*FAMILY, "speechbrain", "transformers", "encoder wav2vec2", "fusion co_attention"}
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
