"""The facts of an environment, as plain values for ``checks``.

The packages are imported in a child process: an import that raises, or a native library that ends
Python, is recorded as a fact. This process imports only camser, the standard library and
``packaging``.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Any

from packaging.requirements import Requirement

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
NO_DEVICE = 100  # CUDA's error code if there is a driver but no GPU


def gather(optional: Sequence[str] = ()) -> dict[str, Any]:
    """Collect the facts of the environment.

    Arguments
    ---------
    optional : sequence of str
        Distributions to look up besides those that camser requires.

    Returns
    -------
    dict
        ``python``, ``executable``; ``camser``, its distribution (as below, with
        ``requires_python`` and ``pythons``, those it is tested with) or None;
        ``distributions``, from names to ``version`` and ``requires``, without those that are not
        installed; ``imports``, from modules to ``version`` and what ``child`` adds, or ``error``;
        ``driver``, NVIDIA's: the highest ``cuda`` it serves or None, ``devices`` and ``error``;
        ``plugins``, a list of ``kind``, ``name``, ``distribution``, ``version`` and, if its import
        fails, ``error``; ``variables``, the relevant environment variables.
    """
    camser = _distribution("camser")
    if camser:
        data: Any = distribution("camser").metadata
        camser["requires_python"] = data.get("Requires-Python", "")
        versions = [c.rpartition(" ")[2] for c in data.get_all("Classifier", []) if ":: 3." in c]
        camser["pythons"] = versions
    required = [Requirement(line).name for line in camser["requires"]] if camser else []
    names = {*required, *IMPORTED, *optional}
    plugins = _plugins()
    steps = [
        *IMPORTED,
        "driver",
        *(f"{p['kind']} {p['distribution']}:{p['name']}" for p in plugins),
    ]
    answers = ask(steps)
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "executable": sys.executable,
        "camser": camser,
        "distributions": {n: facts for n in sorted(names) if (facts := _distribution(n))},
        "imports": dict(zip(IMPORTED, answers, strict=False)),
        "driver": answers[len(IMPORTED)],
        "plugins": [{**p, **a} for p, a in zip(plugins, answers[len(IMPORTED) + 1 :], strict=True)],
        "variables": {n: os.environ[n] for n in ("CUDA_VISIBLE_DEVICES",) if n in os.environ},
    }


def _distribution(name: str) -> dict[str, Any] | None:
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        return None
    return {"version": installed.version, "requires": installed.requires or []}


def _plugins() -> list[dict[str, str]]:
    from camser import registry

    return [
        {
            "kind": kind,
            "name": point.name,
            "distribution": registry.distribution_of(point).name,
            "version": registry.distribution_of(point).version,
        }
        for kind in registry.GROUPS
        for point in registry.entry_points_of_kind(kind)
    ]


def ask(steps: Sequence[str]) -> list[dict[str, Any]]:
    """Run steps in a child process and return its answers.

    If a step ends the child, its answer is ``error``. Another child continues with the next step.

    Arguments
    ---------
    steps : sequence of str
        As in ``child``.

    Returns
    -------
    list of dict
        One for each step.
    """
    answers: list[dict[str, Any]] = []
    while len(answers) < len(steps):
        completed = subprocess.run(
            python_command(__name__, *steps[len(answers) :]),
            capture_output=True,
            text=True,
            errors="replace",
        )
        answers += [json.loads(line) for line in completed.stdout.splitlines()]
        if len(answers) < len(steps):
            last = (completed.stderr.strip().splitlines() or ["no message"])[-1]
            code = completed.returncode
            ending = signal.Signals(-code).name if code < 0 else f"status {code}"
            error = f"it ends Python itself, with {ending} ({last})"
            answers.append({"error": error})
    return answers


def child(steps: Sequence[str]) -> None:
    """Write one line of JSON for each step, as soon as it is done.

    Arguments
    ---------
    steps : sequence of str
        A module's name; ``driver``; or a plugin as ``kind distribution:name``.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # so that prints of the packages do not mix with the answers
    for step in steps:
        try:
            answer = _answer(step)
        except (Exception, SystemExit) as error:
            cause = error.__cause__ if " " in step and error.__cause__ else error
            answer = {"error": name_and_message(cause)}
        print(json.dumps(answer), file=answers, flush=True)


def _answer(step: str) -> dict[str, Any]:
    if step == "driver":
        return _driver()
    if " " in step:
        from camser import registry

        registry.load(*step.split(" ", 1))
        return {}
    module = importlib.import_module(step)
    more = {"torch": _torch, "soundfile": _soundfile, "huggingface_hub": _hub}
    details = more[step](module) if step in more else {}
    return {"version": getattr(module, "__version__", None), **details}


def _torch(torch: ModuleType) -> dict[str, Any]:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {"cuda": torch.version.cuda, "rocm": torch.version.hip, "gpus": gpus}


def _soundfile(soundfile: ModuleType) -> dict[str, Any]:
    library = soundfile.__libsndfile_version__
    return {"libsndfile": library, "formats": sorted(soundfile.available_formats())}


def _hub(hub: ModuleType) -> dict[str, Any]:
    constants = importlib.import_module(f"{hub.__name__}.constants")
    cache = constants.HF_HUB_CACHE
    return {"offline": constants.HF_HUB_OFFLINE, "cache": cache, "writable": _writable(cache)}


def _writable(folder: str) -> bool:
    """Whether files can be written in a folder, or where it would be created."""
    existing = Path(folder).absolute()
    while not existing.exists():
        existing = existing.parent
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError:
        return False
    return True


def _driver() -> dict[str, Any]:
    """The facts of NVIDIA's driver, without torch."""
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return {"cuda": None, "devices": []}
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    cuda_version = f"{version.value // 1000}.{version.value % 1000 // 10}"
    facts: dict[str, Any] = {"cuda": cuda_version, "devices": []}
    status = cuda.cuInit(0)
    if status not in (0, NO_DEVICE):
        return {**facts, "error": f"cuInit returns {status}"}
    if status == 0:
        cuda.cuDeviceGetCount(ctypes.byref(count))
    for number in range(count.value):
        device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
        cuda.cuDeviceGet(ctypes.byref(device), number)
        cuda.cuDeviceGetName(name, len(name), device)
        cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
        facts["devices"].append({"name": name.value.decode(), "memory": memory.value})
    return facts


if __name__ == "__main__":
    child(sys.argv[1:])
