"""The doctor on torch and its family: which versions and builds match, and use the GPU."""

import importlib.metadata

import pytest

from camser.cli.doctor.checks import run_checks
from camser.cli.doctor.findings import render
from camser.cli.doctor.requirements import required
from camser.cli.doctor.torch_versions import FAMILY, MATCHED
from tests.helpers.environments import fails, install, noted, wrong

CUDA_MISSING = "OSError: libtorch_cuda.so: cannot open shared object file: No such file"
MATCHED_CPU = (
    "pip install torch==2.11.0+cpu torchaudio==2.11.0+cpu torchvision==0.26.0+cpu "
    "--index-url https://download.pytorch.org/whl/cpu"
)


# What matches ------------------------------------------------------------------------------------


@pytest.mark.parametrize("versions", MATCHED)
def test_what_is_known_to_match_is_right(facts, versions):
    for name, version in zip(FAMILY, versions, strict=True):
        install(facts, name, version)
    facts["distributions"]["torchvision"]["requires"] = [f"torch=={versions[0]}"]
    assert {line.mark for line in run_checks(facts)} == {"ok"}
    assert render(run_checks(facts)).endswith("\nnothing is wrong")


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
    assert "1.1.2; its import fails: OSError: undefined symbol; repair torch first:" in text


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
    assert remedies == {"torch": expected} and "(80 GiB); repair torch first" in text


# The GPU -----------------------------------------------------------------------------------------


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
    facts["driver"] = {"cuda": "13.0", "devices": [], "error": "cuInit returns 803"}
    assert wrong(facts)[0] == {"GPU": "nvidia-smi"}
