"""torch, torchaudio and torchvision: whether they fit camser, each other and the GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from camser.cli.doctor.findings import Facts, Finding, pip
from camser.cli.doctor.requirements import failed, outside, version_of

FAMILY = ("torch", "torchaudio", "torchvision")
# Versions of the family that are known to work together, oldest first.
MATCHED = (("2.11.0", "2.11.0", "0.26.0"), ("2.14.1", "2.11.0", "0.29.2"))
# Versions that do not work together, although no metadata declares it.
KNOWN_BAD = (
    (
        {"torch": ">=2.15.dev0", "torchaudio": ">=2.11"},
        "2.11, torchaudio's last release, does not import with torch 2.15 and later",
    ),
)
INDEX = "https://download.pytorch.org/whl"
BUILDS = {12: "cu128", 13: "cu130"}  # builds of MATCHED[0], by the major version of CUDA


def family(facts: Facts) -> Iterator[Finding]:
    """One finding for each of the three packages."""
    for name in FAMILY:
        error, version = failed(facts, name), version_of(facts, name)
        torch = version_of(facts, "torch")
        if problem := outside(facts, name) or _clash(facts, name):
            yield Finding("wrong", name, problem, _matched(facts))
        elif error and torch and _label(facts, name) != _label(facts, "torch"):
            builds = f"{version} and torch {torch} are different builds; {error}"
            yield Finding("wrong", name, builds, _same_build(facts, name))
        elif error:
            yield Finding("wrong", name, f"{version}; {error}", _matched(facts))
        else:
            yield Finding("ok", name, facts["imports"].get(name, {}).get("version") or version)


def _clash(facts: Facts, name: str) -> str:
    """Why this version does not work with another member; empty if it does."""
    version = version_of(facts, name)
    for requirement in map(Requirement, facts["distributions"][name]["requires"]):
        other = version_of(facts, requirement.name) if requirement.name in FAMILY else ""
        if other and not requirement.specifier.contains(other, prereleases=True):
            return f"{version}; made for {requirement.name}{requirement.specifier}, not {other}"
    for pair, reason in KNOWN_BAD:
        versions = {member: version_of(facts, member) for member in pair}
        if name == list(pair)[-1] and all(
            v and SpecifierSet(pair[member]).contains(v, prereleases=True)
            for member, v in versions.items()
        ):
            return f"{version}; {reason}"
    return ""


def _label(facts: Facts, name: str) -> str:
    """The version's text after the plus sign; PyTorch's index sets it, PyPI does not."""
    version = version_of(facts, name)
    return Version(version).local or "" if version else ""


def _same_build(facts: Facts, name: str) -> str:
    """The command that installs the member's build from the same index as torch."""
    public, label = Version(version_of(facts, name)).public, _label(facts, "torch")
    if label:
        return _from_index([f"{name}=={public}"], label)
    return pip("--force-reinstall", "--no-deps", f"{name}=={public}")


def _matched(facts: Facts) -> str:
    """The command for the set nearest to torch's version, in its build; reinstalls if installed."""
    installed = [version_of(facts, name) for name in FAMILY]
    publics = [Version(v).public if v else "" for v in installed]
    below = [m for m in MATCHED if publics[0] and Version(m[0]) <= Version(publics[0])]
    chosen = below[-1] if below else MATCHED[0]
    pins = [f"{name}=={version}" for name, version in zip(FAMILY, chosen, strict=True)]
    options = ["--force-reinstall"] if list(chosen) == publics else []
    label = _label(facts, "torch")
    return _from_index(pins, label, options) if label else pip(*options, *pins)


def _from_index(pins: Sequence[str], label: str, options: Sequence[str] = ()) -> str:
    return pip(*options, *(f"{p}+{label}" for p in pins), "--index-url", f"{INDEX}/{label}")


def gpu(facts: Facts) -> Iterator[Finding]:
    """Whether there is a GPU, and whether torch sees it."""
    torch, driver = facts["imports"].get("torch", {}), facts["driver"]
    names = ", ".join(
        f"{device['name']} ({device['memory'] / 2**30:.0f} GiB)"
        for device in driver.get("devices", ())
    )
    if torch.get("rocm") and torch["gpus"]:
        yield Finding("ok", "GPU", f"{torch['gpus']}, by ROCm {torch['rocm']}")
    elif "error" in driver:
        yield Finding("wrong", "GPU", f"the driver does not start: {driver['error']}", "nvidia-smi")
    elif not names:
        hidden = facts["variables"].get("CUDA_VISIBLE_DEVICES")
        why = "" if hidden is None else f"; CUDA_VISIBLE_DEVICES is {hidden!r}"
        yield Finding("note", "GPU", f"none is visible: everything runs on the CPU{why}")
    elif "gpus" not in torch:
        yield Finding("note", "GPU", f"{names}; repair torch first")
    else:
        yield _build(names, torch, driver["cuda"])


def _build(names: str, torch: Facts, served: str) -> Finding:
    """Whether torch's build suits the GPUs ``names``, whose driver serves CUDA ``served``."""
    major = int(served.split(".")[0])
    built = f"built for CUDA {torch['cuda']}" if torch["cuda"] else "built for the CPU"
    summary = f"{names}; torch is {built}, the driver serves CUDA {served}"
    # Within a major version, a driver serves newer builds too.
    if torch["cuda"] and int(torch["cuda"].split(".")[0]) <= major:
        if torch["gpus"]:
            return Finding("ok", "GPU", summary)
        remedy = 'python -c "import torch; torch.cuda.init()"'
        return Finding(
            "wrong", "GPU", f"{summary}, but torch does not see it; this shows the reason:", remedy
        )
    if major < min(BUILDS):
        summary = f"{summary}; update the driver to CUDA {min(BUILDS)} or later; the current one:"
        return Finding("wrong", "GPU", summary, "nvidia-smi")
    pins = [f"{name}=={version}" for name, version in zip(FAMILY, MATCHED[0], strict=True)]
    return Finding("wrong", "GPU", summary, _from_index(pins, BUILDS[min(major, max(BUILDS))]))
