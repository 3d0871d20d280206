#!/usr/bin/env python3
"""What a stranger's export may run (nothing), and what a stranger may do at the page.

python -m robustness.demo.security --number 3
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from robustness.demo import client_attacks
from robustness.fuzzing import malicious_exports
from robustness.harness import report
from robustness.harness.report import Tally

ENGINES = ("torch", "onnx", "onnx-int8")
WATCHED = Path(__file__).parent / "audited_process.py"
COMMAND = Path(sys.executable).parent / "camser"


class Place:
    """A folder with a good export, one among traps, and what tells that one was sprung."""

    def __init__(self, root: Path) -> None:
        self.root, self.notes, self.sprung = root, root / "notes", root / "sprung"
        self.sprung.mkdir()
        self.good = malicious_exports.good(root / "good")
        self.trapped = root / "trapped"
        shutil.copytree(self.good, self.trapped)
        malicious_exports.lay(self.trapped, self.sprung)
        self.sound = root / "noise.wav"
        noise = np.random.default_rng(0).normal(0, 0.1, 20000)
        soundfile.write(self.sound, noise, 16000)

    def ran(self) -> str:
        """What must not have happened since this was asked last, "" where nothing did."""
        told = [path.name for path in self.sprung.iterdir()]
        told += self.notes.read_text().splitlines() if self.notes.exists() else []
        for path in [*self.sprung.iterdir(), self.notes]:
            path.unlink(missing_ok=True)
        return ", ".join(told)

    def start(self, *command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess:
        """Run a command, by default in the trapped folder."""
        given = {"capture_output": True, "text": True, "timeout": 300}
        return subprocess.run(
            [str(part) for part in command], cwd=cwd or self.trapped, env=_environment(), **given
        )


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "0"}


def built_in(place: Place, tally: Tally, names: list[str]) -> None:
    """Load exports with a trap inside, by every engine, in one watched process."""
    jobs = []
    for number, name in enumerate(names):
        folder = place.root / f"built-{number}"
        shutil.copytree(place.good, folder)
        malicious_exports.BUILT_IN[name](folder, place.sprung)
        jobs += [(name, folder, engine) for engine in ENGINES]
    asked = json.dumps([[str(folder), engine] for _, folder, engine in jobs])
    done = place.start(sys.executable, WATCHED, place.notes, "load", asked)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    ran = place.ran()
    for number, (name, _, engine) in enumerate(jobs):
        came = answers[number] if number < len(answers) else f"FAILS: {done.stderr[-500:]}"
        how = f"{engine}: {came}; python -m robustness.demo.security"
        if ran or "FAILS" in came:
            tally.lose(name, f"something ran: {ran}" if ran else "another error", how)
        else:
            kind = "refused" if came.startswith("refused") else "not looked at, loads"
            tally.add(name, f"nothing ran, {kind}")


def beside(place: Place, tally: Tally) -> None:
    """Use a good export among traps, its folder being the working folder."""
    here, copy = str(place.trapped), place.root / "notes"
    watched = [sys.executable, WATCHED, copy]
    load = json.dumps([[".", engine] for engine in ENGINES])
    uses = {
        "from_pretrained('.')": [*watched, "load", load],
        "camser classify": [COMMAND, "classify", "--model", ".", "--device=cpu", place.sound],
        "the same, watched": [*watched, "camser", "classify", "--model", here, place.sound],
        "camser doctor": [COMMAND, "doctor"],
        "camser push --dry-run": [COMMAND, "push", ".", "some/body", "--dry-run"],
        "camser plugins list --load": [COMMAND, "plugins", "list", "--load"],
    }
    for name, command in uses.items():
        fault = f"traps beside an export: {name}"
        done, ran = place.start(*command), place.ran()
        how = f"{done.args}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"
        if ran:
            tally.lose(fault, f"ran {ran}", how)
        elif "FAILS" in done.stdout or (done.returncode and name != "camser doctor"):
            tally.lose(fault, "does not work", how)
        else:
            tally.add(fault, "works, nothing ran")


def code(place: Place, tally: Tally) -> None:
    """Where SECURITY.md says that code of the folder runs, it does: so the traps are good."""
    from_hparams = (
        "import sys; from speechbrain.inference.classifiers import EncoderClassifier; "
        f"EncoderClassifier.from_hparams({str(place.trapped)!r}, savedir=None)"
    )
    uses = {
        "SpeechBrain's EncoderClassifier.from_hparams": (
            [sys.executable, "-c", from_hparams],
            place.root,
        ),
        "python -m camser.cli in that folder": (
            [sys.executable, "-m", "camser.cli", "doctor"],
            place.trapped,
        ),
    }
    for name, (command, cwd) in uses.items():
        place.start(*command, cwd=cwd)
        if place.ran():
            tally.add(f"control: {name}", "runs its code, as SECURITY.md says")
        else:
            tally.lose(f"control: {name}", "ran nothing: the traps are no good", str(command))


def run(asked: argparse.Namespace, tally: Tally) -> None:
    """Exports ``number`` times, then the page."""
    with tempfile.TemporaryDirectory(prefix="camser-trust-") as root:
        place = Place(Path(root).resolve())
        code(place, tally)
        for _ in range(asked.number):
            built_in(place, tally, list(malicious_exports.BUILT_IN))
            beside(place, tally)
            for built in place.root.glob("built-*"):
                shutil.rmtree(built)
        client_attacks.visit(place.good, place.root, asked.number, asked.seed, tally)


if __name__ == "__main__":
    report.main(run, number=1)
