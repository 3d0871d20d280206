"""What "auto" becomes, and what it refuses."""

import logging
import re
import sys

import pytest
import torch
from speechbrain.utils.run_opts import RunOptions

from camser.training import device
from camser.training.device import local_rank_device, resolve_auto

AUTO = {"precision": "auto", "compiled": "auto"}


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """A GPU, as far as questions go; the function says whether it has bfloat16."""

    def pretend(has_bf16):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)
        monkeypatch.setattr(device, "has_triton", lambda: True)
        monkeypatch.setenv("CC", sys.executable)  # something that is there
        monkeypatch.setattr(device.sysconfig, "get_path", lambda *of: tmp_path)
        (tmp_path / "Python.h").touch()

    return pretend


def test_a_cpu_computes_in_float32_and_compiles_nothing():
    found = resolve_auto({**AUTO, "device": "cpu"})
    assert found == {"precision": "fp32", "compiled": False}
    asked = resolve_auto({"device": "cpu", "precision": "bf16", "compiled": True})
    assert asked == {"precision": "bf16", "compiled": True}


@pytest.mark.parametrize("has_bf16, precision", [(True, "bf16"), (False, "fp32")])
def test_a_gpu_compiles_and_takes_bfloat16_where_it_has_it(gpu, has_bf16, precision):
    gpu(has_bf16)
    options = RunOptions.from_dictionary({"device": "cuda:0"})
    assert resolve_auto(AUTO, options) == {"precision": precision, "compiled": True}


@pytest.mark.parametrize(
    "missing, told",
    [
        ("compiler", r"a C compiler \(gcc, clang, or what CC names\)"),
        ("compiler of CC", r"a C compiler \(gcc, clang, or what CC names\)"),
        ("header", r"/\S+/Python\.h \(e\.g\. Debian's python3-dev\)"),
        ("triton", "Triton"),
    ],
)
def test_without_what_triton_needs_nothing_is_compiled_unless_told_to(
    gpu, monkeypatch, tmp_path, caplog, missing, told
):
    gpu(True)
    if missing == "compiler":
        monkeypatch.delenv("CC")
        monkeypatch.setattr(device.shutil, "which", lambda name: None)
    elif missing == "compiler of CC":
        monkeypatch.setenv("CC", "no-such-compiler")
    elif missing == "header":
        (tmp_path / "Python.h").unlink()
    else:
        monkeypatch.setattr(device, "has_triton", lambda: False)
    with caplog.at_level(logging.INFO):
        assert resolve_auto({**AUTO, "device": "cuda:0"})["compiled"] is False
    (record,) = caplog.records
    assert re.fullmatch(f"nothing is compiled; missing: {told}", record.message)
    assert resolve_auto({**AUTO, "device": "cuda:0", "compiled": True})["compiled"] is True


def test_each_process_takes_a_gpu_of_its_own(monkeypatch):
    _, options, _ = RunOptions.from_command_line_args(["x", "--device=cuda"])
    assert local_rank_device(options) is options
    monkeypatch.setenv("LOCAL_RANK", "1")
    own = local_rank_device(options)
    assert own.device == "cuda:1" and own.overridden_args == options.overridden_args
    assert local_rank_device(RunOptions(device="cpu")).device == "cpu"


def test_the_command_line_goes_before_the_recipe():
    _, options, _ = RunOptions.from_command_line_args(["x", "--precision=bf16", "--device=cpu"])
    assert resolve_auto({**AUTO, "device": "cuda"}, options) == {
        "precision": "bf16",
        "compiled": False,
    }


def test_what_contradicts_is_refused():
    with pytest.raises(ValueError, match="compiled is 'yes'; allowed: auto, true, false"):
        resolve_auto({"device": "cpu", "compiled": "yes"})
    options = RunOptions.from_dictionary({"device": "cpu", "compile": True})
    with pytest.raises(ValueError, match=r"--compile is SpeechBrain's.*--compiled=false"):
        resolve_auto({"compiled": True}, options)
    assert resolve_auto({"compiled": False}, options)["compiled"] is False
