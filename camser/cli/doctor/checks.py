"""The facts of an environment, judged: what is right, what is worth knowing, what to paste.

Each check is a function of the facts alone. Bounds are those that camser's own metadata declares;
what no metadata says is in ``family``'s tables.
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
    "tensorboard": "curves while a run trains",
    "ray": "sweeps on a Ray cluster",
    "onnx": "export to ONNX",
    "onnxruntime": "running an ONNX export",
    "gradio": "a demonstration in the browser",
}


def run_checks(facts: Facts) -> list[Finding]:
    """Judge an environment.

    Arguments
    ---------
    facts : mapping
        As ``probe.gather(OPTIONAL)`` returns them.

    Returns
    -------
    list of Line
        What others rest on comes first.
    """
    checks = (python, family, packages, others, gpu, plugins, optional, hub)
    return [line for check in checks for line in check(facts)]


def python(facts: Facts) -> Iterator[Finding]:
    """Python itself, and whether camser is installed rather than only found."""
    version, camser = facts["python"], facts["camser"]
    found = f"{version} at {facts['executable']}"
    if camser is None:
        yield Finding("ok", "python", found)
        text = "not installed: it has no plugins and declares no bounds; in its checkout:"
        yield Finding("wrong", "camser", text, "pip install --editable .")
        return
    tried, bounds = camser["pythons"], camser["requires_python"]
    if not SpecifierSet(bounds).contains(version, prereleases=True):
        remedy = f"python{tried[-1]} -m venv .venv && .venv/bin/pip install camser"
        yield Finding("wrong", "python", f"{found}; needed: {bounds}", remedy)
    elif version.rpartition(".")[0] not in tried:
        yield Finding("note", "python", f"{found}; tried are {tried[0]} to {tried[-1]}")
    else:
        yield Finding("ok", "python", found)
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
            yield Finding("wrong", name, f"{version}; {error}; first {cause.name}:", cause.remedy)
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
    """Which formats its libsndfile reads; old ones have no MP3."""
    found = f"{version}, libsndfile {soundfile['libsndfile']}, reads"
    reads = [name for name in FORMATS if name in soundfile["formats"]]
    lacks = [name for name in FORMATS if name not in reads]
    if not lacks:
        return Finding("ok", "soundfile", f"{found} {', '.join(reads)}")
    text = f"{found} {', '.join(reads)}, not {', '.join(lacks)}"
    return Finding("note", "soundfile", text, pip("--upgrade", "soundfile"))


def others(facts: Facts) -> Iterator[Finding]:
    """What else camser requires, by version alone: importing it all would take its time."""
    names = [name for name in required(facts) if name not in IMPORTED]
    wrong = {name: bad for name in names if (bad := outside(facts, name))}
    for name, bad in wrong.items():
        yield Finding("wrong", name, bad, pip(required(facts)[name]))
    if len(wrong) < len(names):
        yield Finding("ok", "required besides", ", ".join(n for n in names if n not in wrong))


def plugins(facts: Facts) -> Iterator[Finding]:
    """Whether each plugin imports; a broken one is named with where it comes from."""
    cause = _first_wrong(line for check in (family, packages) for line in check(facts))
    for plugin in facts["plugins"]:
        name, origin = f"{plugin['kind']} {plugin['name']}", plugin["distribution"]
        found = f"of {origin} {plugin['version']}"
        if "error" not in plugin:
            yield Finding("ok", name, found)
        elif cause:
            text = f"{found}; its import fails: {plugin['error']}; first {cause.name}:"
            yield Finding("wrong", name, text, cause.remedy)
        else:
            text = f"{found}; its import fails: {plugin['error']}"
            yield Finding("wrong", name, text, pip("--upgrade", origin))


def optional(facts: Facts) -> Iterator[Finding]:
    """What camser can do without."""
    bounds = required(facts, extras=True)
    for name, purpose in OPTIONAL.items():
        version, wanted = version_of(facts, name), bounds.get(name)
        remedy = pip(wanted or name)
        if not version:
            yield Finding("note", name, f"not installed; for {purpose}:", remedy)
        elif wanted and not wanted.specifier.contains(version, prereleases=True):
            text = f"{version}; for {purpose}, needed: {wanted.specifier}"
            yield Finding("note", name, text, remedy)
        else:
            yield Finding("ok", name, f"{version}; for {purpose}")


def hub(facts: Facts) -> Iterator[Finding]:
    """Where pretrained weights come from, and whether they can be kept."""
    found = facts["imports"].get("huggingface_hub", {})
    if "cache" not in found:
        return
    if found["offline"]:
        text = "set: pretrained weights come from the cache alone; to download them:"
        yield Finding("note", "HF_HUB_OFFLINE", text, "unset HF_HUB_OFFLINE")
    if found["writable"]:
        yield Finding("ok", "cache of weights", found["cache"])
    elif found["offline"]:
        yield Finding("note", "cache of weights", f"{found['cache']} is read-only")
    else:
        text = f"{found['cache']} cannot be written, so nothing can be downloaded"
        yield Finding("wrong", "cache of weights", text, 'export HF_HOME="$PWD/huggingface"')
