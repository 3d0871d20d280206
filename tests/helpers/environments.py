"""A made-up environment that is healthy, what can go wrong with it, and what is found then."""

from camser.cli.doctor import probe
from camser.cli.doctor.checks import OPTIONAL, run_checks

H100 = {"name": "NVIDIA H100", "memory": 80 * 2**30}
PLUGIN = {"kind": "encoder", "name": "echo", "distribution": "fake", "version": "0.9"}
REQUIRES = [
    "torch<2.15,>=2.7.1",
    "torchaudio>=2.7.1",
    "torchvision>=0.22.1",
    "speechbrain<1.2,>=1.1",
    "transformers<6,>=5.0",
    "scipy>=1.11",
    'ray>=2.40; extra == "ray"',
]
VERSIONS = {
    "torch": "2.11.0",
    "torchaudio": "2.11.0",
    "torchvision": "0.26.0",
    "soundfile": "0.14.0",
    "soxr": "1.1.0",
    "hyperpyyaml": "1.2.3",
    "huggingface_hub": "2.4.0",
    "transformers": "5.23.0",
    "speechbrain": "1.1.2",
    "scipy": "1.17.1",
    **dict.fromkeys(OPTIONAL, "3.0"),
}
DETAILS = {
    "torch": {"cuda": "13.0", "rocm": None, "gpus": 1},
    "soundfile": {"libsndfile": "1.2.2", "formats": ["FLAC", "MP3", "OGG", "WAV"]},
    "huggingface_hub": {"offline": False, "cache": "cache/hub", "writable": True},
}
HEALTHY = {
    "python": "3.12.4",
    "executable": "bin/python",
    "camser": {
        "version": "0.1.0",
        "requires": REQUIRES,
        "requires_python": ">=3.10",
        "pythons": ["3.10", "3.11", "3.12", "3.13"],
    },
    "distributions": {n: {"version": v, "requires": []} for n, v in VERSIONS.items()},
    "imports": {n: {"version": VERSIONS[n], **DETAILS.get(n, {})} for n in probe.IMPORTED},
    "driver": {"cuda": "13.0", "devices": [H100]},
    "plugins": [PLUGIN],
    "variables": {},
}
HEALTHY["distributions"]["torchvision"]["requires"] = ["numpy", "torch (==2.11.0)"]


def install(facts, name, version, error=None):
    facts["distributions"][name]["version"] = version
    facts["imports"][name]["version"] = version
    if error:
        facts["imports"][name] = {"error": error}


def fails(facts, *names, error="ImportError: no"):
    for name in names:
        facts["imports"][name] = {"error": error}


def wrong(facts):
    """Name to remedy of what is wrong, and everything that was found as one text."""
    lines = run_checks(facts)
    assert all(line.remedy for line in lines if line.mark == "wrong")
    found = {line.name: line.remedy for line in lines if line.mark == "wrong"}
    return found, "\n".join(line.found for line in lines)


def noted(facts):
    return {
        line.name: (line.found, line.remedy) for line in run_checks(facts) if line.mark == "note"
    }
