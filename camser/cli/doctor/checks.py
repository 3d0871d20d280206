"""Checks of an environment: findings, and commands that repair what is wrong.

Each check depends only on the facts. The version bounds are those of camser's own metadata.
``torch_versions`` has tables of what no metadata declares.
"""

from __future__ import annotations

from collections.abc import Iterator

from packaging.specifiers import SpecifierSet

from camser.cli.doctor.findings import Facts, Finding, pip
from camser.cli.doctor.probe import IMPORTED
from camser.cli.doctor.requirements import failed, outside, required, version_of
from camser.cli.doctor.torch_versions import FAMILY, family, gpu

FORMATS = ("WAV", "FLAC", "OGG", "MP3")
OPTIONAL = {
    "tensorboard": "training curves",
    "ray": "sweeps on a Ray cluster",
    "onnx": "export to ONNX",
    "onnxruntime": "running an exported ONNX model",
    "gradio": "a demonstration in the browser",
}


def run_checks(facts: Facts) -> list[Finding]:
    """Check an environment.

    Arguments
    ---------
    facts : mapping
        As ``probe.gather(OPTIONAL)`` returns them.

    Returns
    -------
    list of Finding
        A package comes before those that depend on it.
    """
    checks = (python, family, packages, others, gpu, plugins, optional, hub)
    return [finding for check in checks for finding in check(facts)]


def python(facts: Facts) -> Iterator[Finding]:
    """Python itself, and whether camser is installed rather than only importable."""
    version, camser = facts["python"], facts["camser"]
    interpreter = f"{version} at {facts['executable']}"
    if camser is None:
        yield Finding("ok", "python", interpreter)
        text = "not installed: plugins and version bounds are missing; run in its checkout:"
        yield Finding("wrong", "camser", text, "pip install --editable .")
        return
    tested, bounds = camser["pythons"], camser["requires_python"]
    if not SpecifierSet(bounds).contains(version, prereleases=True):
        remedy = f"python{tested[-1]} -m venv .venv && .venv/bin/pip install camser"
        yield Finding("wrong", "python", f"{interpreter}; needed: {bounds}", remedy)
    elif version.rpartition(".")[0] not in tested:
        yield Finding("note", "python", f"{interpreter}; tested are {tested[0]} to {tested[-1]}")
    else:
        yield Finding("ok", "python", interpreter)
    yield Finding("ok", "camser", camser["version"])


def packages(facts: Facts) -> Iterator[Finding]:
    """The packages that camser builds on, besides torch's."""
    cause = _first_wrong(family(facts))
    for name in IMPORTED:
        version, error = version_of(facts, name), failed(facts, name)
        if name in FAMILY:
            continue
        if bad := outside(facts, name):
            yield Finding("wrong", name, bad, pip(required(facts).get(name, name)))
        elif error and cause:
            yield Finding(
                "wrong", name, f"{version}; {error}; repair {cause.name} first:", cause.remedy
            )
        elif error:
            remedy = pip("--force-reinstall", "--no-deps", f"{name}=={version}")
            yield Finding("wrong", name, f"{version}; {error}", remedy)
        elif name == "soundfile":
            yield _sound(facts["imports"][name], version)
        else:
            yield Finding("ok", name, version)


def _first_wrong(lines: Iterator[Finding]) -> Finding | None:
    return next((line for line in lines if line.mark == "wrong"), None)


def _sound(soundfile: Facts, version: str) -> Finding:
    """Which formats its libsndfile reads; old versions have no MP3."""
    versions = f"{version}, libsndfile {soundfile['libsndfile']}, reads"
    supported = [name for name in FORMATS if name in soundfile["formats"]]
    missing = [name for name in FORMATS if name not in supported]
    if not missing:
        return Finding("ok", "soundfile", f"{versions} {', '.join(supported)}")
    text = f"{versions} {', '.join(supported)}, not {', '.join(missing)}"
    return Finding("note", "soundfile", text, pip("--upgrade", "soundfile"))


def others(facts: Facts) -> Iterator[Finding]:
    """Other required packages. Only versions are checked: importing all would be slow."""
    names = [name for name in required(facts) if name not in IMPORTED]
    wrong = {name: bad for name in names if (bad := outside(facts, name))}
    for name, bad in wrong.items():
        yield Finding("wrong", name, bad, pip(required(facts)[name]))
    if len(wrong) < len(names):
        yield Finding("ok", "also required", ", ".join(n for n in names if n not in wrong))


def plugins(facts: Facts) -> Iterator[Finding]:
    """Whether each plugin imports; a broken one is shown with its distribution."""
    cause = _first_wrong(line for check in (family, packages) for line in check(facts))
    for plugin in facts["plugins"]:
        name, origin = f"{plugin['kind']} {plugin['name']}", plugin["distribution"]
        origin_text = f"of {origin} {plugin['version']}"
        if "error" not in plugin:
            yield Finding("ok", name, origin_text)
        elif cause:
            text = f"{origin_text}; its import fails: {plugin['error']}; repair {cause.name} first:"
            yield Finding("wrong", name, text, cause.remedy)
        else:
            text = f"{origin_text}; its import fails: {plugin['error']}"
            yield Finding("wrong", name, text, pip("--upgrade", origin))


def optional(facts: Facts) -> Iterator[Finding]:
    """Packages that camser can run without."""
    bounds = required(facts, extras=True)
    for name, purpose in OPTIONAL.items():
        version, requirement = version_of(facts, name), bounds.get(name)
        remedy = pip(requirement or name)
        if not version:
            yield Finding("note", name, f"not installed; for {purpose}:", remedy)
        elif requirement and not requirement.specifier.contains(version, prereleases=True):
            text = f"{version}; for {purpose}, needed: {requirement.specifier}"
            yield Finding("note", name, text, remedy)
        else:
            yield Finding("ok", name, f"{version}; for {purpose}")


def hub(facts: Facts) -> Iterator[Finding]:
    """Where pretrained weights come from, and whether they can be cached."""
    hub_facts = facts["imports"].get("huggingface_hub", {})
    if "cache" not in hub_facts:
        return
    if hub_facts["offline"]:
        text = "set: pretrained weights come only from the cache; to download them:"
        yield Finding("note", "HF_HUB_OFFLINE", text, "unset HF_HUB_OFFLINE")
    if hub_facts["writable"]:
        yield Finding("ok", "cache of weights", hub_facts["cache"])
    elif hub_facts["offline"]:
        yield Finding("note", "cache of weights", f"{hub_facts['cache']} is read-only")
    else:
        text = f"{hub_facts['cache']} cannot be written, so nothing can be downloaded"
        yield Finding("wrong", "cache of weights", text, 'export HF_HOME="$PWD/huggingface"')
