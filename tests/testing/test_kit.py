"""The conformance kit: good plugins pass, and each broken one fails exactly one check."""

import socket
import sys
from types import ModuleType
from typing import ClassVar

import pytest
import torch

from camser.encoders import FrameSpec
from camser.testing import (
    ENCODER_CHECKS,
    FUSION_CHECKS,
    ConformanceError,
    ConformanceWarning,
    check_encoder,
    check_fusion,
    checks_ddp,
    checks_of,
    parametrize_with_checks,
    plugin_under_test,
    run_checks,
)
from tests.helpers import broken_plugins

# What is in no state is in no export either, and loading one draws nothing at random.
ALSO = {"state": ["export"]}


def failures(cls, **params):
    return {o.check.name: o.message for o in run_checks(cls, **params) if o.failed}


def test_there_is_a_broken_plugin_for_each_check():
    assert list(broken_plugins.ENCODERS) == list(ENCODER_CHECKS)
    assert list(broken_plugins.FUSIONS) == list(FUSION_CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODER_CHECKS)
def test_a_broken_encoder_is_caught_by_exactly_one_check(name):
    params = {"floor": 0.1} if name == "rebuild" else {}
    assert list(failures(broken_plugins.ENCODERS[name], **params)) == [name, *ALSO.get(name, [])]


@pytest.mark.slow
@pytest.mark.parametrize("name", FUSION_CHECKS)
def test_a_broken_fusion_is_caught_by_exactly_one_check(name):
    assert list(failures(broken_plugins.FUSIONS[name])) == [name, *ALSO.get(name, [])]


class Breaking(broken_plugins.Bands):
    def back_end(self, features):
        torch._dynamo.graph_break()
        return super().back_end(features)


def test_what_passes_all_checks_tells_of_graph_breaks():
    told = {o.check.name: (o.status, o.message) for o in check_encoder(Breaking)}
    assert list(told) == list(ENCODER_CHECKS)
    assert {status for status, _ in told.values()} == {"passed"}
    assert told["compile"][1].startswith("graph breaks: ")
    told = {o.check.name: (o.status, o.message) for o in check_fusion(broken_plugins.Means, size=3)}
    assert set(told.values()) == {("passed", "")}


@pytest.mark.parametrize(
    ("cls", "name", "numbers"),
    [
        ("EncoderSizes", "sizes", r"a segment of 400 samples: declared \[2, 2, 4\] .* got \[2, 1"),
        ("EncoderCache", "cache", "its front_end is cached, yet in training it differs between"),
        (
            "EncoderRebuild",
            "rebuild",
            r"rebuilt from \['size'\] with its weights loaded, its frames",
        ),
        ("EncoderCompile", "compile", "compiled, the output differs by up to"),
        (
            "BrokenRegion",
            "compile",
            r"compiled_submodules is \('',\), but not every region is one graph: .*break",
        ),
        ("PassedOverRegion", "compile", "names 'linear', which is a Linear of torch's own"),
        ("EncoderDdp", "ddp", "2 processes: Expected to have finished reduction"),
        ("EncoderFinite", "finite", r"silence, in evaluation: 1176 of 1176 values are not finite"),
        ("EncoderBatch", "batch", r"of segment 0 differs by up to \d.* largest value is \d"),
        (
            "EncoderPadding",
            "padding",
            r"with more silence behind 16000 samples, frames differ from those of these alone",
        ),
        (
            "FusionPadding",
            "padding",
            "with other frames as padding, the fused vectors differ by up to",
        ),
        (
            "EncoderDeterministic",
            "deterministic",
            r"run twice on the same input, the output differs by",
        ),
        ("EncoderGradients", "gradients", r"noise: the gradient of linear.weight: 20 of 20"),
        (
            "EncoderState",
            "state",
            "loaded into another instance, the state gives an output that differs by",
        ),
        (
            "EncoderPrecision",
            "precision",
            "buffer waves_of_bands is multiplied in bfloat16; put @fwd",
        ),
        ("Recurrent", "precision", r"gru \(GRU\) runs under autocast. .*zero; put @fwd_default"),
        ("EncoderDevice", "device", "on the device 'meta': .*make it a buffer"),
        ("EncoderExport", "export", "share memory"),
        ("EncoderUtterance", "utterance", "its forward changes its input: it differs"),
        ("UnusedParameter", "gradients", "no gradient reaches idle.weight, idle.bias; freeze"),
        ("UnusedModality", "gradients", "no gradient reaches each.mfcc.weight"),
        ("FusionSizes", "sizes", r"the attention weights of 'wav2vec2' are \[3, 8\], not \[3, 9\]"),
        ("FusionUtterance", "utterance", "its forward changes its input 'mfcc': it differs by"),
    ],
)
def test_a_failure_says_what_was_checked_and_shows_the_numbers(cls, name, numbers):
    params = {"floor": 0.1} if name == "rebuild" else {}
    (check,) = (c for c in checks_of(getattr(broken_plugins, cls), **params) if c.name == name)
    with pytest.raises(ConformanceError, match=numbers) as caught:
        check()
    assert str(caught.value).startswith(
        f"{check.subject} fails the check {name!r}: {check.description}\n"
    )


class Listed(broken_plugins.Bands):
    def init_config(self):
        return {"size": (4,)}


class Fetching(broken_plugins.Bands):
    def __init__(self, size=4, floor=1e-3):
        super().__init__(size, floor)
        if floor == 7:
            socket.getaddrinfo("localhost", 80)

    def init_config(self):
        return {"floor": 7}


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Listed, r"size is \(4,\) and is read from YAML as \[4\]|which plain YAML cannot store"),
        (Fetching, "used the network; it must work offline"),
    ],
)
def test_rebuilding_wants_plain_values_and_no_network(cls, message):
    (check,) = (c for c in checks_of(cls) if c.name == "rebuild")
    with pytest.raises(ConformanceError, match=message):
        check()


class Declared(broken_plugins.EncoderDevice):
    expected_failures: ClassVar = {
        "device": "its table stays on the CPU",
        "batch": "it is said to leak",
    }


def test_an_expected_failure_is_none_and_one_that_passes_after_all_is():
    found = {o.check.name: o for o in run_checks(Declared)}
    assert (found["device"].status, found["device"].message) == (
        "xfailed",
        "its table stays on the CPU",
    )
    assert found["batch"].status == "xpassed"
    with pytest.raises(ConformanceError, match="1 of 15 checks failed") as caught:
        check_encoder(Declared)
    assert "batch: it is declared to fail (it is said to leak), but it passes" in str(caught.value)


def test_in_pytest_an_expected_failure_is_a_strict_xfail():
    mark = parametrize_with_checks(Declared, size=3).mark
    params = {param.id: param for param in mark.args[1]}
    assert list(params) == list(ENCODER_CHECKS) and mark.args[0] == "check"
    assert str(params["sizes"].values[0].subject) == "Declared(size=3)"
    (expected,) = params["device"].marks
    assert expected.name == "xfail" and expected.kwargs["strict"]
    assert expected.kwargs["raises"] is ConformanceError
    assert not params["sizes"].marks


def test_a_declaration_names_a_check_that_there_is():
    wrong = type("Wrong", (broken_plugins.Bands,), {"expected_failures": {"devise": "…"}})
    with pytest.raises(ValueError, match=r"no check 'devise'; .*Did you mean 'device'\?"):
        checks_of(wrong)


def test_what_is_neither_encoder_nor_fusion_is_refused():
    with pytest.raises(TypeError, match="is no encoder, fusion or back end; give a subclass"):
        checks_of(dict)
    with pytest.raises(TypeError, match="gets specs, which only fusions take"):
        checks_of(broken_plugins.Bands, {})


def test_parameters_that_the_class_does_not_take_are_its_own_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'sise'"):
        check_encoder(broken_plugins.Bands, sise=3)


def test_a_class_that_other_processes_cannot_import_is_told_so():
    class Local(broken_plugins.Bands):
        pass

    (check,) = (c for c in checks_of(Local) if c.name == "ddp")
    with pytest.raises(ConformanceError, match="define the class at the top level of a module"):
        check()


def test_in_pytest_a_note_is_a_warning():
    (check,) = (c for c in checks_of(Breaking) if c.name == "compile")
    with pytest.warns(ConformanceWarning, match=r"Breaking\(\): graph breaks: \d"):
        check()


def test_a_fusion_may_be_checked_with_frames_of_ones_choice():
    specs = {"voice": FrameSpec(4, 3, "mean"), "face": FrameSpec(2, 5, "flatten")}
    assert not [o for o in run_checks(broken_plugins.Means, specs) if o.failed]


class Pair(broken_plugins.Means):
    """Means of exactly two modalities."""

    example_specs: ClassVar = {"voice": FrameSpec(4, 3, "mean"), "face": FrameSpec(2, 5, "mean")}

    def __init__(self, specs):
        if len(specs) != 2:
            raise ValueError(f"{len(specs)} modalities; it takes two")
        super().__init__(specs)


def test_a_fusion_says_which_frames_it_is_checked_with():
    assert not [o for o in run_checks(Pair) if o.failed]
    with pytest.raises(ValueError, match="3 modalities; it takes two"):
        next(run_checks(Pair, plugin_under_test.SPECS))


def test_other_processes_get_an_empty_main_module_and_nothing_else_changes(monkeypatch):
    def start(*args):
        sys.modules["imported_meanwhile"] = ModuleType("imported_meanwhile")
        return sys.modules["__main__"]

    monkeypatch.setattr(checks_ddp, "start_processes", start)
    before = sys.modules["__main__"]
    assert vars(checks_ddp._start(None, "")).get("__file__") is None
    assert sys.modules["__main__"] is before
    assert sys.modules.pop("imported_meanwhile", None), "it would be imported a second time"
