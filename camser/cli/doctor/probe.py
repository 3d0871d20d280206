"""The facts of an environment, as plain values for ``checks``.

The packages are imported in a child process: an import that raises, hangs, or ends Python is
recorded as a fact. This process imports only camser, the standard library and ``packaging``.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from camser.cli.plugins import listing
from camser.runtime.messages import name_and_message
from camser.runtime.subprocesses import python_command

# The order matters: each is imported once, and the later ones import the earlier ones.
IMPORTED = (
    "torch",
    "torchaudio",
    "torchvision",
    "soundfile",
    "soxr",
    "hyperpyyaml",
    "huggingface_hub",
    "transformers",
    "speechbrain",
)
SECONDS = 300  # for all imports; a cold disk may take minutes


def key(name: str) -> str:
    """A distribution's name as the facts have it, however it is spelled elsewhere."""
    return canonicalize_name(name).replace("-", "_")


def gather() -> dict[str, Any]:
    """Collect the facts of the environment.

    Returns
    -------
    dict
        ``python``, ``executable``; ``distributions``, camser and what it requires, from names to
        ``version``, ``requires`` and ``pythons``, those that it is made for, without those that are
        not installed; ``imports``, from modules to what ``child`` answers; ``plugins``,
        each as ``listing.listed`` has it, with ``error`` if it cannot be loaded; ``variables``,
        the relevant environment variables.
    """
    plugins = [plugin._asdict() for plugin in listing.listed()]
    answers = ask([*IMPORTED, *(f"{plugin['kind']} {plugin['name']}" for plugin in plugins)])
    camser = _distribution("camser")
    names = ["camser", *(Requirement(line).name for line in camser.get("requires", ()))]
    found = {key(name): facts for name in names if (facts := _distribution(name))}
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "executable": sys.executable,
        "distributions": found,
        "imports": dict(zip(IMPORTED, answers, strict=False)),
        "plugins": [{**p, **a} for p, a in zip(plugins, answers[len(IMPORTED) :], strict=True)],
        "variables": {n: os.environ[n] for n in ("CUDA_VISIBLE_DEVICES",) if n in os.environ},
    }


def _distribution(name: str) -> dict[str, Any]:
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        return {}
    classifiers = installed.metadata.get_all("Classifier") or ()
    return {
        "version": installed.version,
        "requires": installed.requires or [],
        "pythons": [c.rpartition(" ")[2] for c in classifiers if "Python :: 3." in c],
    }


def ask(steps: Sequence[str], seconds: float = SECONDS) -> list[dict[str, Any]]:
    """Run steps in a child process and return its answers, one for each step.

    If a step ends the child, or takes too long, its answer is ``error``. Another child continues
    with the next step.

    Arguments
    ---------
    steps : sequence of str
        As in ``child``.
    seconds : float
        The longest that a child may take.
    """
    answers: list[dict[str, Any]] = []
    while len(answers) < len(steps):
        command = python_command(__name__, *steps[len(answers) :])
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                out, err = process.communicate(timeout=seconds)
                code = process.returncode
                ending = signal.Signals(-code).name if code < 0 else f"status {code}"
                ending = f"it ends Python itself, with {ending}"
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                ending = f"it takes more than {seconds:g} s"
        answers += map(json.loads, out.splitlines())
        if len(answers) < len(steps):
            last = (err.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
            answers.append({"error": f"{ending} ({last})"})
    return answers


def child(steps: Sequence[str]) -> None:
    """Write one line of JSON for each step, as soon as it is done.

    Arguments
    ---------
    steps : sequence of str
        A module's name, or a plugin as ``kind name``.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # so that prints of the packages do not mix with the answers
    for step in steps:
        try:
            answer = _answer(step)
        except (Exception, SystemExit) as error:
            answer = {"error": f"cannot be imported: {name_and_message(error)}"}
        print(json.dumps(answer), file=answers, flush=True)


def _answer(step: str) -> dict[str, Any]:
    kind, _, name = step.rpartition(" ")
    if kind:
        error = listing.load_error(kind, name)
        return {"error": error} if error else {}
    module = importlib.import_module(step)
    more = {"torch": _torch, "huggingface_hub": _hub}
    return more[step](module) if step in more else {}


def _torch(torch: ModuleType) -> dict[str, Any]:
    from torch.utils import collect_env

    run, version = collect_env.run, torch.version
    facts = {
        "os": collect_env.get_os(run),
        "devices": collect_env.get_gpu_info(run) or "",
        "driver": collect_env.get_nvidia_driver_version(run),
        "built": f"CUDA {version.cuda}" if version.cuda else "the CPU",
        "num_gpus": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "reason": "",
    }
    if version.hip:
        facts["built"] = f"ROCm {version.hip}"
    if not facts["num_gpus"] and facts["built"] != "the CPU":
        try:
            torch.cuda.init()
        except Exception as error:  # its message says what is missing
            facts["reason"] = " ".join(str(error).split())
    return facts


def _hub(hub: ModuleType) -> dict[str, Any]:
    constants = importlib.import_module(f"{hub.__name__}.constants")
    existing = Path(constants.HF_HUB_CACHE).absolute()
    while not existing.exists():
        existing = existing.parent
    return {
        "offline": constants.HF_HUB_OFFLINE,
        "cache": constants.HF_HUB_CACHE,
        "writable": os.access(existing, os.W_OK),
    }


if __name__ == "__main__":
    child(sys.argv[1:])
