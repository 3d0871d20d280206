"""Checks of an environment: findings, and commands that repair what is wrong.

Each check depends only on the facts. All bounds are those that the installed packages declare.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.version import Version

from camser.cli.doctor.probe import IMPORTED, key

Facts = Mapping[str, Any]  # what `probe.gather` returns

TORCH = ("torch", "torchaudio", "torchvision")  # one build, so installed together
EXTRAS = {
    "tensorboard": "training curves",
    "ray": "sweeps on a Ray cluster",
    "onnx": "writing and running ONNX models",
    "demo": "a demonstration in the browser",
}


class Finding(NamedTuple):
    """A finding: ``mark`` is ok, note or wrong; ``remedy`` is a command to paste, or empty."""

    mark: str
    name: str
    found: str
    remedy: str = ""


def run_checks(facts: Facts) -> list[Finding]:
    """Check an environment.

    Arguments
    ---------
    facts : mapping
        As ``probe.gather`` returns them.

    Returns
    -------
    list of Finding
        A package comes before those that depend on it.
    """
    findings = [_python(facts), Finding("ok", "camser", _version(facts, "camser"))]
    if not findings[1].found:
        text = "not installed: plugins and version bounds are missing; run in its checkout:"
        return [findings[0], Finding("wrong", "camser", text, "pip install --editable .")]
    packages = _packages(facts)
    rest = (_gpu(facts), _plugins(facts, packages), _extras(facts), _hub(facts))
    return [*findings, *packages, *itertools.chain(*rest)]


def render(findings: Sequence[Finding]) -> str:
    """Findings as text, each remedy under its finding, and the number of wrong ones.

    Example
    -------
    >>> missing = Finding("wrong", "b", "not installed", pip("b>=2"))
    >>> print(render([Finding("ok", "a", "1.0"), missing]))
    ok    a                            1.0
    wrong b                            not installed
          $ pip install "b>=2"
    1 wrong
    """
    text = []
    for finding in findings:
        text.append(f"{finding.mark:6}{finding.name:29}{finding.found}")
        text += [f"{'':6}$ {finding.remedy}"] if finding.remedy else []
    wrong = sum(finding.mark == "wrong" for finding in findings)
    return "\n".join([*text, f"{wrong} wrong" if wrong else "nothing is wrong"])


def pip(*arguments: Any) -> str:
    """A pip command; an argument that a shell would interpret is quoted."""
    words = [f'"{a}"' if set("<>; ") & set(str(a)) else str(a) for a in arguments]
    return " ".join(["pip install", *words])


# Installed metadata ---------------------------------------------------------------------------


def required(facts: Facts, by: str = "camser", extra: str = "") -> dict[str, Requirement]:
    """What a distribution requires in this Python, or only what one of its extras adds."""
    requirements = {}
    for line in facts["distributions"][by]["requires"]:
        requirement = Requirement(line)
        marker, requirement.marker = requirement.marker, None  # it is known to apply
        of_all, of_extra = (not marker or marker.evaluate({"extra": e}) for e in ("", extra))
        if of_extra and not (extra and of_all):
            requirements[key(requirement.name)] = requirement
    return requirements


def _version(facts: Facts, name: str) -> str:
    return facts["distributions"].get(name, {}).get("version", "")


def _mismatch(facts: Facts, name: str, requirement: Requirement) -> str:
    """Why what is installed does not meet a requirement; empty if it does."""
    version, bounds = _version(facts, name), requirement.specifier
    if not version:
        return f"not installed; needed: {bounds or 'any version'}"
    return "" if bounds.contains(version, prereleases=True) else f"{version}; needed: {bounds}"


def _install(facts: Facts, names: Sequence[str], *options: str) -> str:
    """pip's command for packages within camser's bounds; for torch, from the index of its build."""
    index: list[str] = []
    if set(TORCH) & set(names):
        names, torch = TORCH, _version(facts, "torch")
        if build := Version(torch).local if torch else "":
            index = ["--index-url", f"https://download.pytorch.org/whl/{build}"]
    return pip(*options, *(required(facts)[name] for name in names), *index)


# Checks ---------------------------------------------------------------------------------------


def _python(facts: Facts) -> Finding:
    version, tested = facts["python"], facts["distributions"].get("camser", {}).get("pythons")
    interpreter = f"{version} at {facts['executable']}"
    if tested and version.rpartition(".")[0] not in tested:
        return Finding("note", "python", f"{interpreter}; tested are {tested[0]} to {tested[-1]}")
    return Finding("ok", "python", interpreter)


def _packages(facts: Facts) -> list[Finding]:
    """What camser requires: versions, and for what is imported, whether that succeeds."""
    findings: list[Finding] = []
    bounds = required(facts)
    for name in sorted(bounds, key=[*IMPORTED, *bounds].index):
        version, error = _version(facts, name), facts["imports"].get(name, {}).get("error")
        finding = Finding("ok", bounds[name].name, version)
        if problem := _mismatch(facts, name, bounds[name]):
            finding = Finding("wrong", finding.name, problem, _install(facts, [name]))
        elif other := _conflict(facts, name, bounds):
            text = f"{version}; it requires {other}"
            remedy = _install(facts, [name, other.split()[0]])
            finding = Finding("wrong", finding.name, text, remedy)
        elif error:
            remedy = pip("--force-reinstall", "--no-deps", f"{name}=={version}")
            if name in TORCH:
                remedy = _install(facts, TORCH, "--force-reinstall")
            finding = _not_imported(facts, name, f"{version}; {error}", remedy, findings)
        findings.append(finding)
    return findings


def _conflict(facts: Facts, name: str, others: Iterable[str]) -> str:
    """Which of the others does not meet what a package itself requires, and why; empty if none."""
    requirements = required(facts, name)
    problems = ((n, _mismatch(facts, n, requirements[n])) for n in others if n in requirements)
    return next((f"{other} {problem}" for other, problem in problems if problem), "")


def _plugins(facts: Facts, packages: Sequence[Finding]) -> Iterator[Finding]:
    for plugin in facts["plugins"]:
        name, origin = f"{plugin['kind']} {plugin['name']}", plugin["distribution"]
        text = f"of {origin} {plugin['version']}"
        if error := plugin.get("error"):
            remedy = pip("--upgrade", origin)
            yield _not_imported(facts, name, f"{text}; {error}", remedy, packages)
        else:
            yield Finding("ok", name, text)


def _not_imported(
    facts: Facts, name: str, text: str, remedy: str, before: Iterable[Finding]
) -> Finding:
    """A failed import; where one of those before is wrong, the first of them comes first."""
    cause = next((f for f in before if f.mark == "wrong" and f.name in IMPORTED), None)
    if cause:
        verb = "repair" if cause.name in facts["distributions"] else "install"
        return Finding("wrong", name, f"{text}; {verb} {cause.name} first:", cause.remedy)
    return Finding("wrong", name, text, remedy)


def _gpu(facts: Facts) -> Iterator[Finding]:
    """Whether torch sees the GPUs that the driver knows."""
    torch = facts["imports"]["torch"]
    if "error" in torch:
        return
    yield Finding("ok", "system", torch["os"])
    hidden = facts["variables"].get("CUDA_VISIBLE_DEVICES")
    devices = "; ".join(torch["devices"].splitlines())
    reason = f": {torch['reason']}" if torch["reason"] else ""
    summary = f"{devices}; driver {torch['driver']}; torch is built for {torch['built']}"
    if torch["num_gpus"]:
        yield Finding("ok", "GPU", summary)
    elif hidden is not None:
        text = f"none is visible, everything runs on the CPU: CUDA_VISIBLE_DEVICES is {hidden!r}"
        yield Finding("note", "GPU", text)
    elif not devices:
        yield Finding("note", "GPU", f"none is visible, everything runs on the CPU{reason}")
    elif torch["built"] == "the CPU":
        remedy = pip("--force-reinstall", *(required(facts)[name] for name in TORCH))
        yield Finding("wrong", "GPU", summary, remedy)
    else:
        text = f"{summary}, but torch does not see it{reason}"
        yield Finding("wrong", "GPU", text, "nvidia-smi")


def _extras(facts: Facts) -> Iterator[Finding]:
    """Packages that camser can run without."""
    for extra, purpose in EXTRAS.items():
        requirements = required(facts, extra=extra)
        bad = {n: bad for n, r in requirements.items() if (bad := _mismatch(facts, n, r))}
        if bad:
            text = ", ".join(f"{requirements[n].name} {problem}" for n, problem in bad.items())
            remedy = pip(*(requirements[name] for name in bad))
            yield Finding("note", extra, f"{text}; for {purpose}:", remedy)
        else:
            versions = ", ".join(f"{name} {_version(facts, name)}" for name in requirements)
            yield Finding("ok", extra, f"{versions}; for {purpose}")


def _hub(facts: Facts) -> Iterator[Finding]:
    """Where pretrained weights come from, and whether they can be cached."""
    hub = facts["imports"]["huggingface_hub"]
    if "error" in hub:
        return
    cache = hub["cache"]
    if hub["offline"]:
        text = f"{cache}; HF_HUB_OFFLINE is set, so no weights are downloaded; to download them:"
        yield Finding("note", "cache of weights", text, "unset HF_HUB_OFFLINE")
    elif hub["writable"]:
        yield Finding("ok", "cache of weights", cache)
    else:
        text = f"{cache} cannot be written, so nothing can be downloaded"
        yield Finding("wrong", "cache of weights", text, 'export HF_HOME="$PWD/huggingface"')
