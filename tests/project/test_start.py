"""The first page of the site: its commands run as they stand there, one after the other."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.recipe_runs import ROOT

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs/start.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE, re.S | re.M)
ELSEWHERE = ("pip install", "make demo")  # what other tests run: test_wheel.py, test_readme.py


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each block printed, by its first line."""
    folder, outputs = tmp_path_factory.mktemp("start"), {}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for language, body in BLOCKS:
        if not any(text in body for text in ELSEWHERE):
            program = ["sh", "-ec", body] if language == "sh" else [sys.executable, "-c", body]
            done = subprocess.run(
                program,
                cwd=folder,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{body}\n{done.stderr}"
            outputs[body.splitlines()[0]] = done.stdout
    return outputs


def found(printed, start):
    """The output of the one block that begins so."""
    (text,) = [output for line, output in printed.items() if line.startswith(start)]
    return text


def test_the_demo_gives_the_score_that_is_shown(printed):
    shown, score = (
        float(re.search(r"test iemocap/Ses01F: WA (\d\.\d+)", text)[1])
        for text in (PAGE, found(printed, "camser synthesize-corpus"))
    )
    assert score == pytest.approx(shown, abs=0.1)


def test_the_labels_and_their_classes_are_those_that_are_shown(printed):
    assert found(printed, "cut") in PAGE
    classes = found(printed, "camser data")
    shown = re.findall(r"^(?:labels: .* minutes|(?:angry|happy|neutral|sad)  ).*", PAGE, re.M)
    assert len(shown) == 5 and not [line for line in shown if line not in classes]


def test_training_has_the_steps_that_are_shown(printed):
    steps = [line for line in found(printed, "camser train").splitlines() if line[:1] == "["]
    assert [line.split("]")[0] for line in steps] == re.findall(r"^(\[\d/8)\] ", PAGE, re.M)


def test_the_model_classifies_twelve_recordings(printed):
    header, *rows = found(printed, "camser classify").splitlines()
    assert header in PAGE and len(rows) == 12
    assert re.fullmatch(r"(angry|happy|neutral|sad) \d+%\n", found(printed, "from camser"))
