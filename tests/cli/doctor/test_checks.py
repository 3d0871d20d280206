"""The doctor on made-up environments: what it finds, and the commands that it gives."""

import copy
import importlib.metadata

import pytest
from packaging.requirements import Requirement

from camser.cli.doctor.checks import EXTRAS, TORCH, render, required, run_checks
from camser.cli.doctor.probe import IMPORTED, key

REQUIRES = [
    "torch<2.15,>=2.7.1",
    "torchaudio>=2.7.1",
    "torchvision>=0.22.1",
    "speechbrain<1.2,>=1.1",
    "transformers<6,>=5.0",
    "huggingface_hub<3,>=1.0",
    "soundfile>=0.12.1",
    "scikit-learn<2,>=1.4",
    'ray>=2.40; extra == "ray"',
    'onnx>=1.17; extra == "onnx"',
    'onnxruntime>=1.26.0; python_version >= "3" and extra == "onnx"',
    'onnxruntime>=1.23; python_version < "3" and extra == "onnx"',
]
VERSIONS = {
    "camser": "0.1.0",
    "torch": "2.11.0",
    "torchaudio": "2.11.0",
    "torchvision": "0.26.0",
    "soundfile": "0.14.0",
    "huggingface_hub": "2.4.0",
    "transformers": "5.23.0",
    "speechbrain": "1.1.2",
    "scikit_learn": "1.9.1",
    "ray": "2.60.0",
    "onnx": "1.23.2",
    "onnxruntime": "1.32.0",
}
DETAILS = {
    "torch": {
        "os": "Debian", "devices": "GPU 0: H100", "driver": "580.1", "built": "CUDA 13.0",
        "num_gpus": 1, "reason": "",
    },
    "huggingface_hub": {"offline": False, "cache": "cache/hub", "writable": True},
}  # fmt: skip
HEALTHY = {
    "python": "3.12.4",
    "executable": "bin/python",
    "distributions": {name: {"version": v, "requires": []} for name, v in VERSIONS.items()},
    "imports": {name: DETAILS.get(name, {}) for name in IMPORTED},
    "plugins": [
        {"kind": "encoder", "name": "echo", "distribution": "fake", "version": "0.9"},
        {"kind": "encoder", "name": "other", "distribution": "fake", "version": "0.9"},
    ],
    "variables": {},
}
HEALTHY["distributions"]["camser"] |= {
    "requires": REQUIRES,
    "pythons": ["3.10", "3.11", "3.12", "3.13"],
}
HEALTHY["distributions"]["torchvision"]["requires"] = ["numpy", "torch (==2.11.0)"]
TORCHES = '"torch<2.15,>=2.7.1" "torchaudio>=2.7.1" "torchvision>=0.22.1"'
FAILED = {"error": "cannot be imported: OSError: undefined symbol"}


@pytest.fixture
def facts():
    return copy.deepcopy(HEALTHY)


def install(facts, **versions):
    for name, version in versions.items():
        facts["distributions"][name]["version"] = version


def marked(facts, mark):
    """Name to remedy of all findings with a mark, and all that is found in them."""
    findings = [finding for finding in run_checks(facts) if finding.mark == mark]
    return {f.name: f.remedy for f in findings}, "\n".join(f.found for f in findings)


def test_a_healthy_environment(facts):
    findings = run_checks(facts)
    assert {finding.mark for finding in findings} == {"ok"}
    assert render(findings).endswith("\nnothing is wrong")
    assert "ok    scikit-learn                 1.9.1" in render(findings)


def test_a_python_that_is_not_tested_is_noted(facts):
    facts["python"] = "3.14.0"
    assert "3.14.0 at bin/python; tested are 3.10 to 3.13" in marked(facts, "note")[1]


def test_a_checkout_that_is_not_installed(facts):
    facts |= {"distributions": {}, "plugins": []}
    assert marked(facts, "wrong")[0] == {"camser": "pip install --editable ."}


def test_bounds_are_those_of_camsers_own_metadata(facts):
    facts["distributions"]["camser"]["requires"] = importlib.metadata.requires("camser")
    declared = {
        key(Requirement(line).name)
        for line in importlib.metadata.requires("camser")
        if "extra ==" not in line
    }
    assert set(required(facts)) == declared > set(IMPORTED)
    assert all(required(facts, extra=extra) for extra in EXTRAS)


def test_what_another_python_requires_is_not_required_here(facts):
    found = required(facts, extra="onnx")
    assert {name: str(r.specifier) for name, r in found.items()} == {
        "onnx": ">=1.17",
        "onnxruntime": ">=1.26.0",
    }


def test_versions_out_of_bounds_and_missing_packages(facts):
    install(facts, speechbrain="1.0.3")
    del facts["distributions"]["scikit_learn"]
    remedies, text = marked(facts, "wrong")
    assert remedies == {
        "speechbrain": 'pip install "speechbrain<1.2,>=1.1"',
        "scikit-learn": 'pip install "scikit-learn<2,>=1.4"',
    }
    assert "1.0.3; needed: <1.2,>=1.1" in text and "not installed; needed: <2,>=1.4" in text


def test_what_a_package_itself_requires(facts):
    facts["distributions"]["transformers"]["requires"] = ["huggingface-hub<2,>=1.3", "pillow"]
    remedies, text = marked(facts, "wrong")
    remedy = 'pip install "transformers<6,>=5.0" "huggingface_hub<3,>=1.0"'
    assert remedies == {"transformers": remedy}
    assert text == "5.23.0; it requires huggingface_hub 2.4.0; needed: <2,>=1.3"


# torch -------------------------------------------------------------------------------------------


def test_a_torch_that_is_too_new_and_what_imports_it(facts):
    install(facts, torch="2.15.0", torchvision="0.30.0")
    facts["distributions"]["torchvision"]["requires"] = ["torch==2.15.0"]
    facts["imports"] |= {"torchaudio": FAILED, "speechbrain": FAILED}
    facts["plugins"][0] |= FAILED
    remedies, text = marked(facts, "wrong")
    broken = ("torch", "torchaudio", "speechbrain", "encoder echo")
    assert remedies == dict.fromkeys(broken, f"pip install {TORCHES}")
    assert "2.15.0; needed: <2.15,>=2.7.1" in text
    assert f"1.1.2; {FAILED['error']}; repair torch first:" in text


def test_a_torch_that_is_missing_is_to_be_installed_not_repaired(facts):
    del facts["distributions"]["torch"]
    facts["distributions"]["torchvision"]["requires"] = []
    facts["imports"] |= {"torch": FAILED, "speechbrain": FAILED}
    findings = {finding.name: finding for finding in run_checks(facts)}
    assert findings["torch"].found == "not installed; needed: <2.15,>=2.7.1"
    assert findings["speechbrain"].found.endswith("install torch first:")
    assert "repair" not in render(findings.values()) and "GPU" not in findings


def test_a_torchvision_made_for_another_torch(facts):
    facts["distributions"]["torchvision"]["requires"] = ["torch==2.9.0"]
    remedies, text = marked(facts, "wrong")
    assert remedies == {"torchvision": f"pip install {TORCHES}"}
    assert text == "0.26.0; it requires torch 2.11.0; needed: ==2.9.0"


@pytest.mark.parametrize(
    ("build", "index"),
    [("", ""), ("+cpu", " --index-url https://download.pytorch.org/whl/cpu")],
)
@pytest.mark.parametrize("name", TORCH)
def test_builds_that_do_not_mix_are_all_installed_anew_from_torchs_index(facts, name, build, index):
    install(facts, torch=f"2.11.0{build}")
    facts["imports"][name] = FAILED
    expected = f"pip install --force-reinstall {TORCHES}{index}"
    assert marked(facts, "wrong")[0] == {name: expected}


# GPUs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "variables", "mark", "found", "remedy"),
    [
        ({}, {}, "ok", "GPU 0: H100; driver 580.1; torch is built for CUDA 13.0", ""),
        ({"devices": "", "num_gpus": 0}, {}, "note", "everything runs on the CPU", ""),
        ({"num_gpus": 0, "reason": "no"}, {"CUDA_VISIBLE_DEVICES": ""}, "note", "is ''", ""),
        ({"num_gpus": 0, "reason": "too old"}, {}, "wrong", "not see it: too old", "nvidia-smi"),
        (
            {"num_gpus": 0, "built": "the CPU"}, {}, "wrong", "torch is built for the CPU",
            f"pip install --force-reinstall {TORCHES}",
        ),
    ],
)  # fmt: skip
def test_gpus(facts, changes, variables, mark, found, remedy):
    facts["imports"]["torch"] |= changes
    facts["variables"] |= variables
    (finding,) = (f for f in run_checks(facts) if f.name == "GPU")
    assert (finding.mark, finding.remedy) == (mark, remedy) and found in finding.found


# Other packages and plugins ----------------------------------------------------------------------


def test_a_package_that_alone_does_not_import_is_installed_anew_alone(facts):
    facts["imports"]["transformers"] = FAILED
    expected = "pip install --force-reinstall --no-deps transformers==5.23.0"
    assert marked(facts, "wrong")[0] == {"transformers": expected}


def test_a_broken_plugin_is_named_with_its_distribution_and_stops_no_other(facts):
    facts["plugins"][0] |= FAILED
    remedies, text = marked(facts, "wrong")
    assert remedies == {"encoder echo": "pip install --upgrade fake"}
    assert text == f"of fake 0.9; {FAILED['error']}"
    assert "ok    encoder other" in render(run_checks(facts))


def test_extras_are_noted_with_their_purpose(facts):
    install(facts, ray="2.0")
    del facts["distributions"]["onnxruntime"]
    remedies, text = marked(facts, "note")
    assert remedies == {
        "ray": 'pip install "ray>=2.40"',
        "onnx": 'pip install "onnxruntime>=1.26.0"',
    }
    assert EXTRAS["ray"] in text and "onnxruntime not installed; needed: >=1.26.0" in text


@pytest.mark.parametrize("offline", [False, True])
def test_a_cache_that_cannot_be_written_matters_online(facts, offline):
    facts["imports"]["huggingface_hub"] |= {"writable": False, "offline": offline}
    expected = {} if offline else {"cache of weights": 'export HF_HOME="$PWD/huggingface"'}
    assert marked(facts, "wrong")[0] == expected
    assert ("HF_HUB_OFFLINE" in marked(facts, "note")[1]) == offline
