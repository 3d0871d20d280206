"""The doctor: made-up environments and their remedies; imports that fail, or end Python."""

import copy
import importlib.metadata
import json
import subprocess
import sys

import pytest
from conftest import ROOT

from camser.cli import main
from camser.doctor import probe
from camser.doctor.bounds import required
from camser.doctor.checks import OPTIONAL, examine
from camser.doctor.family import FAMILY, MATCHED
from camser.doctor.lines import render

CUDA_MISSING = "OSError: libtorch_cuda.so: cannot open shared object file: No such file"
MATCHED_CPU = (
    "pip install torch==2.11.0+cpu torchaudio==2.11.0+cpu torchvision==0.26.0+cpu "
    "--index-url https://download.pytorch.org/whl/cpu"
)
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


@pytest.fixture
def facts():
    return copy.deepcopy(HEALTHY)


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
    lines = examine(facts)
    assert all(line.remedy for line in lines if line.mark == "wrong")
    found = {line.name: line.remedy for line in lines if line.mark == "wrong"}
    return found, "\n".join(line.found for line in lines)


def noted(facts):
    return {line.name: (line.found, line.remedy) for line in examine(facts) if line.mark == "note"}


@pytest.mark.parametrize("versions", MATCHED)
def test_what_is_known_to_match_is_right(facts, versions):
    for name, version in zip(FAMILY, versions, strict=True):
        install(facts, name, version)
    facts["distributions"]["torchvision"]["requires"] = [f"torch=={versions[0]}"]
    assert {line.mark for line in examine(facts)} == {"ok"}
    assert render(examine(facts)).endswith("\nnothing is wrong")


def test_what_another_python_requires_is_not_required_here(facts):
    lines = (
        'a>=2; python_version >= "3" and extra == "x"',
        'a>=1; python_version < "3" and extra == "x"',
    )
    facts["camser"]["requires"] = [*lines, 'b>=1; python_version < "3"', "c", 'd; extra == "y"']
    assert {n: str(r.specifier) for n, r in required(facts, extras=True).items()} == {
        "a": ">=2",
        "d": "",
    }
    assert [*required(facts)] == ["c"]


@pytest.mark.parametrize("versions", MATCHED)
def test_what_is_known_to_match_is_what_camser_requires(facts, versions):
    facts["camser"] = {"requires": importlib.metadata.requires("camser")}
    for name, version in zip(FAMILY, versions, strict=True):
        assert required(facts)[name].specifier.contains(version)


def test_torch_215_takes_torchaudio_with_it_and_what_imports_them(facts):
    install(facts, "torch", "2.15.0")
    install(facts, "torchvision", "0.30.0")
    facts["distributions"]["torchvision"]["requires"] = ["torch==2.15.0"]
    fails(facts, "torchaudio", "speechbrain", error="OSError: undefined symbol")
    facts["plugins"][0]["error"] = "OSError: undefined symbol"
    remedies, text = wrong(facts)
    matched = "pip install torch==2.14.1 torchaudio==2.11.0 torchvision==0.29.2"
    broken = ("torch", "torchaudio", "speechbrain", "encoder echo")
    assert remedies == dict.fromkeys(broken, matched)
    assert "2.15.0; needed: <2.15,>=2.7.1" in text and "does not import with torch 2.15" in text
    assert "1.1.2; its import fails: OSError: undefined symbol; first torch:" in text


def test_a_torch_without_cuda_does_not_mix_with_pypis_torchaudio_and_torchvision(facts):
    install(facts, "torch", "2.11.0+cpu")
    fails(facts, "torchaudio", "torchvision", error=CUDA_MISSING)
    facts["imports"]["torch"] |= {"cuda": None, "gpus": 0}
    facts["driver"] = {"cuda": None, "devices": []}
    remedies, text = wrong(facts)
    assert remedies == {
        name: f"pip install {name}=={version}+cpu --index-url https://download.pytorch.org/whl/cpu"
        for name, version in (("torchaudio", "2.11.0"), ("torchvision", "0.26.0"))
    }
    assert "0.26.0 and torch 2.11.0+cpu are different builds" in text and CUDA_MISSING in text


def test_pypis_torch_does_not_mix_with_a_torchvision_without_cuda(facts):
    install(facts, "torchvision", "0.26.0+cpu", error="RuntimeError: no operator nms")
    expected = "pip install --force-reinstall --no-deps torchvision==0.26.0"
    assert wrong(facts)[0] == {"torchvision": expected}


@pytest.mark.parametrize(("build", "remedy"), [("", None), ("+cpu", MATCHED_CPU)])
def test_a_missing_torchvision_is_installed_to_match_torchs_version_and_build(facts, build, remedy):
    install(facts, "torch", f"2.11.0{build}")
    install(facts, "torchaudio", f"2.11.0{build}")
    del facts["distributions"]["torchvision"]
    fails(facts, "torchvision", error="ModuleNotFoundError: no torchvision")
    expected = remedy or "pip install torch==2.11.0 torchaudio==2.11.0 torchvision==0.26.0"
    remedies, text = wrong(facts)
    assert remedies == {"torchvision": expected}
    assert "not installed; needed: >=0.22.1" in text


def test_a_torchvision_made_for_another_torch_is_told_by_its_own_metadata(facts):
    facts["distributions"]["torchvision"]["requires"] = ["torch==2.9.0"]
    remedies, text = wrong(facts)
    assert list(remedies) == ["torchvision"] and "made for torch==2.9.0, not 2.11.0" in text


def test_a_matched_set_that_does_not_import_is_installed_anew(facts):
    fails(facts, "torch")
    expected = "pip install --force-reinstall torch==2.11.0 torchaudio==2.11.0 torchvision==0.26.0"
    remedies, text = wrong(facts)
    assert remedies == {"torch": expected} and "(80 GiB); first torch" in text


def test_speechbrain_10_is_out_of_bounds(facts):
    install(facts, "speechbrain", "1.0.3")
    remedies, text = wrong(facts)
    assert remedies == {"speechbrain": 'pip install "speechbrain<1.2,>=1.1"'}
    assert "1.0.3; needed: <1.2,>=1.1" in text


def test_bounds_are_those_of_the_metadata(facts):
    facts["camser"]["requires"] = ["speechbrain>=9", "scipy>=8"]
    expected = {"speechbrain": 'pip install "speechbrain>=9"', "scipy": 'pip install "scipy>=8"'}
    assert wrong(facts)[0] == expected


def test_a_package_that_alone_does_not_import_is_installed_anew_alone(facts):
    fails(facts, "transformers")
    expected = "pip install --force-reinstall --no-deps transformers==5.23.0"
    assert wrong(facts)[0] == {"transformers": expected}


def test_a_broken_plugin_is_named_with_its_distribution_and_stops_no_other(facts):
    facts["plugins"].append({**PLUGIN, "name": "bad", "error": "RuntimeError: no licence"})
    remedies, text = wrong(facts)
    assert remedies == {"encoder bad": "pip install --upgrade fake"}
    assert "of fake 0.9; its import fails: RuntimeError: no licence" in text
    assert "ok    encoder echo" in render(examine(facts))


@pytest.mark.parametrize("hidden", [None, ""])
def test_no_gpu_is_worth_a_note(facts, hidden):
    facts["driver"] = {"cuda": None, "devices": []}
    facts["imports"]["torch"]["gpus"] = 0
    if hidden is not None:
        facts["variables"]["CUDA_VISIBLE_DEVICES"] = hidden
    found, remedy = noted(facts)["GPU"]
    assert not wrong(facts)[0] and "CPU" in found and not remedy
    assert ("CUDA_VISIBLE_DEVICES is ''" in found) == (hidden is not None)


@pytest.mark.parametrize(
    ("built", "served", "build"),
    [(None, "13.0", "cu130"), (None, "12.4", "cu128"), (None, "14.1", "cu130"),
     ("13.0", "12.8", "cu128"), ("13.0", "11.4", None)],
)  # fmt: skip
def test_a_torch_that_cannot_use_the_gpu_is_replaced_by_one_that_can(facts, built, served, build):
    facts["imports"]["torch"] |= {"cuda": built, "gpus": 0}
    facts["driver"]["cuda"] = served
    expected = (
        f"pip install torch==2.11.0+{build} torchaudio==2.11.0+{build} torchvision==0.26.0+{build} "
        f"--index-url https://download.pytorch.org/whl/{build}"
    )
    remedies, text = wrong(facts)
    assert remedies == {"GPU": expected if build else "nvidia-smi"}
    assert (
        f"NVIDIA H100 (80 GiB); torch is built for {f'CUDA {built}' if built else 'the CPU'}"
        in text
    )
    assert ("update the driver" in text) == (build is None)


def test_a_gpu_that_torch_does_not_see_though_it_could(facts):
    facts["imports"]["torch"]["gpus"] = 0
    assert wrong(facts)[0] == {"GPU": 'python -c "import torch; torch.cuda.init()"'}


def test_an_older_driver_of_the_same_major_version_is_enough(facts):
    facts["imports"]["torch"]["cuda"] = "13.2"
    assert not wrong(facts)[0]


def test_a_driver_that_does_not_start_is_wrong(facts):
    facts["driver"] = {"cuda": "13.0", "devices": [], "error": "cuInit gives 803"}
    assert wrong(facts)[0] == {"GPU": "nvidia-smi"}


@pytest.mark.parametrize(("version", "mark"), [("3.9.1", "wrong"), ("3.14.0", "note")])
def test_pythons_that_are_too_old_or_untried(facts, version, mark):
    facts["python"] = version
    line = examine(facts)[0]
    assert (line.mark, line.name) == (mark, "python") and version in line.found
    remedy = "python3.13 -m venv .venv && .venv/bin/pip install camser"
    assert line.remedy == (remedy if mark == "wrong" else "")


def test_what_is_optional_is_noted_with_its_purpose_and_its_line(facts):
    del facts["distributions"]["gradio"]
    facts["distributions"]["ray"]["version"] = "2.0"
    assert not wrong(facts)[0]
    found, remedy = noted(facts)["gradio"]
    assert OPTIONAL["gradio"] in found and remedy == "pip install gradio"
    assert noted(facts)["ray"][1] == 'pip install "ray>=2.40"'


def test_a_libsndfile_without_mp3_is_noted(facts):
    facts["imports"]["soundfile"]["formats"].remove("MP3")
    found, remedy = noted(facts)["soundfile"]
    assert found.endswith("not MP3") and remedy == "pip install --upgrade soundfile"


@pytest.mark.parametrize("offline", [False, True])
def test_a_cache_that_cannot_be_written_matters_online(facts, offline):
    facts["imports"]["huggingface_hub"] |= {"writable": False, "offline": offline}
    remedy = 'export HF_HOME="$PWD/huggingface"'
    assert wrong(facts)[0] == ({} if offline else {"cache of weights": remedy})
    assert ("HF_HUB_OFFLINE" in noted(facts)) == offline


def test_a_checkout_that_is_not_installed_is_told(facts):
    facts |= {"camser": None, "plugins": []}
    assert wrong(facts)[0] == {"camser": "pip install --editable ."}


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
        "import sys; before = set(sys.modules); import camser.doctor.checks; "
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {"camser", "packaging", *sys.stdlib_module_names}
