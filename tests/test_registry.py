"""Plugins: found without an import, loaded one at a time, and wrong names answered helpfully."""

import configparser
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from camser import registry
from camser.registry import PluginError
from tests.helpers.fake_distributions import write_distribution

ROOT = Path(__file__).parents[1]
ECHO = """
class Echo:
    def __init__(self, size, depth=1):
        self.size, self.depth = size, depth
"""


def built_ins():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return [
        (kind, *line.split(" = "))
        for kind, group in registry.GROUPS.items()
        for line in config["options.entry_points"][group].strip().splitlines()
    ]


def test_listing_and_finding_import_neither_torch_nor_the_plugin(tmp_path):
    write_distribution(tmp_path, "fake", ["boom = fake_boom:Boom"], fake_boom="1 / 0")
    code = """
import json, sys
before = set(sys.modules)
import camser
light = set(sys.modules) - before
from camser import registry
names = [p.name for kind in registry.GROUPS for p in registry.entry_points_of_kind(kind)]
registry.find("encoder", "boom"), registry.origin_of("encoder", "wav2vec2")
both = set(sys.modules) - before
print(json.dumps([names, *(sorted({m.split(".")[0] for m in s}) for s in (light, both))]))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=True,
    )
    names, light, both = json.loads(answer.stdout)
    assert {"boom", "wav2vec2", "co_attention"} <= set(names)
    assert light == ["camser"]
    assert set(both) <= {"camser", *sys.stdlib_module_names}


@pytest.mark.parametrize(("kind", "name", "value"), built_ins())
def test_every_built_in_is_listed_and_its_class_loads(kind, name, value):
    assert [p.value for p in registry.entry_points_of_kind(kind) if p.name == name] == [value]
    plugin = registry.load(kind, name)
    assert f"{plugin.__module__}:{plugin.__qualname__}" == value


def test_there_are_no_built_ins_but_those_of_setup_cfg():
    found = {
        (kind, p.name)
        for kind in registry.GROUPS
        for p in registry.entry_points_of_kind(kind)
        if p.dist.name == "camser"
    }
    assert found == {(kind, name) for kind, name, _ in built_ins()}


def test_an_unknown_kind_is_answered_with_the_kinds():
    with pytest.raises(PluginError, match="no kind of plugin 'head'; allowed: encoder, fusion"):
        registry.entry_points_of_kind("head")


def test_an_unknown_name_is_answered_with_the_installed_ones_and_the_nearest():
    with pytest.raises(PluginError) as caught:
        registry.find("encoder", "mfcc_lstm")
    message = str(caught.value)
    assert message.startswith("camser.encoders: no plugin 'mfcc_lstm'; installed: ")
    assert all(p.name in message for p in registry.entry_points_of_kind("encoder"))
    assert "Did you mean 'mfcc_bilstm'?" in message and "pip" in message


def test_a_name_that_is_near_nothing_gets_no_guess():
    with pytest.raises(PluginError, match="no plugin 'zzz'") as caught:
        registry.find("fusion", "zzz")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("nearest", ["abc", "abd"])
def test_nearest_names_what_differs_least(nearest):
    assert (
        registry.did_you_mean(nearest + "x", ["abc", "abd", "zzz"]) == f" Did you mean {nearest!r}?"
    )
    assert registry.did_you_mean("q", [nearest]) == ""


def test_a_third_partys_plugin_is_built_from_its_name(install):
    install("fake", ["echo = fake_echo:Echo"], version="2.3", fake_echo=ECHO)
    echo = registry.build("encoder", "echo", 3, depth=4)
    assert (echo.size, echo.depth) == (3, 4)
    assert registry.origin_of("encoder", "echo") == {
        "kind": "encoder",
        "plugin": "echo",
        "distribution": "fake",
        "version": "2.3",
    }


def test_loading_one_plugin_does_not_import_another(install):
    lines = ["echo = fake_echo:Echo", "other = fake_other:Echo"]
    install("fake", lines, fake_echo=ECHO, fake_other=ECHO)
    registry.load("encoder", "echo")
    assert "fake_echo" in sys.modules and "fake_other" not in sys.modules


def test_a_name_offered_twice_names_both_distributions_and_either_can_be_chosen(install):
    install("fake", ["echo = fake_echo:Echo", "mfcc_bilstm = fake_echo:Echo"], fake_echo=ECHO)
    install("rival", ["echo = fake_rival:Echo"], fake_rival=ECHO)
    with pytest.raises(PluginError, match="give one of: 'fake:echo', 'rival:echo'"):
        registry.load("encoder", "echo")
    with pytest.raises(PluginError, match="give one of: 'camser:mfcc_bilstm', 'fake:mfcc_bilstm'"):
        registry.find("encoder", "mfcc_bilstm")
    assert registry.load("encoder", "fake:echo").__module__ == "fake_echo"
    assert registry.load("encoder", "rival:echo").__module__ == "fake_rival"
    assert registry.origin_of("encoder", "rival:echo")["distribution"] == "rival"


def test_a_distribution_that_has_no_such_plugin_is_answered_with_those_that_it_has(install):
    install("rival", ["echo = fake_rival:Echo"], fake_rival=ECHO)
    expected = r"no plugin 'rival:ekho'; installed of rival: echo\. Did you mean 'echo'\? To"
    with pytest.raises(PluginError, match=expected):
        registry.find("encoder", "rival:ekho")
    expected = (
        "no plugin 'other:echo'; installed of other: none. To use another plugin, install a "
        "version of other that has it with pip"
    )
    with pytest.raises(PluginError, match=expected):
        registry.find("encoder", "other:echo")


@pytest.mark.parametrize("spelling", ["My_Package", "my-package", "MY.package", "my-_package"])
def test_a_distributions_name_may_be_spelt_in_all_the_ways_that_pip_takes(install, spelling):
    install("My_Package", ["echo = fake_echo:Echo"], fake_echo=ECHO)
    assert registry.find("encoder", f"{spelling}:echo").dist.name == "My_Package"
    assert registry.qualified_name(registry.origin_of("encoder", "echo")) == "My_Package:echo"


def test_a_distribution_that_is_on_the_path_twice_is_one_offer(install):
    for _ in range(2):
        install("fake", ["echo = fake_echo:Echo"], fake_echo=ECHO)
    assert registry.find("encoder", "echo").value == "fake_echo:Echo"
    assert [p.name for p in registry.entry_points_of_kind("encoder")].count("echo") == 1


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_module", ModuleNotFoundError),
        ("raise RuntimeError('no licence')", RuntimeError),
        ("def f(:", SyntaxError),
        ("", AttributeError),  # the module is there, the class is not
    ],
)
def test_a_failing_import_is_reported_with_its_origin_and_stops_no_other(install, source, error):
    install("broken", ["bad = fake_bad:Bad"], version="0.9", fake_bad=source)
    install("fake", ["echo = fake_echo:Echo"], fake_echo=ECHO)
    expected = rf"'bad' of broken 0\.9 cannot be imported from fake_bad:Bad: {error.__name__}: "
    with pytest.raises(PluginError, match=expected) as caught:
        registry.build("encoder", "bad")
    assert isinstance(caught.value.__cause__, error)
    assert registry.build("encoder", "echo", 1).size == 1


@pytest.mark.parametrize("value", ["fake_thing:make", "fake_thing:SIZE", "fake_thing"])
def test_an_entry_point_must_name_a_class(install, value):
    install("fake", [f"thing = {value}"], fake_thing="SIZE = 3\ndef make(size): pass\n")
    with pytest.raises(PluginError, match=r"'thing' of fake .* must name a class"):
        registry.build("encoder", "thing", size=1)


def test_a_bad_parameter_names_the_plugin_its_parameters_and_the_nearest(install):
    install("fake", ["echo = fake_echo:Echo"], fake_echo=ECHO)
    with pytest.raises(PluginError) as caught:
        registry.build("encoder", "echo", size=1, dept=2)
    assert str(caught.value) == (
        "plugin 'echo': got an unexpected keyword argument 'dept'; "
        "its parameters are: size, depth. Did you mean 'depth'?"
    )


def test_a_missing_parameter_is_named(install):
    install("fake", ["echo = fake_echo:Echo"], fake_echo=ECHO)
    expected = "plugin 'echo': missing a required argument: 'size'; its parameters are: size, depth"
    with pytest.raises(PluginError, match=expected):
        registry.build("encoder", "echo", depth=2)


def test_what_is_given_by_position_is_not_offered_again(install):
    install("fake", ["echo = fake_echo:Echo"], fake_echo=ECHO)
    with pytest.raises(PluginError, match=r"'dept'; its parameters are: depth\. Did you"):
        registry.build("encoder", "echo", 1, dept=2)


@pytest.mark.parametrize("parameter", ["kind", "name", "plugin"])
def test_a_plugins_parameters_may_have_any_name(install, parameter):
    source = f"class Any:\n    def __init__(self, {parameter}):\n        self.got = {parameter}\n"
    install("fake", ["any = fake_any:Any"], fake_any=source)
    assert registry.build("encoder", "any", **{parameter: 5}).got == 5


@pytest.mark.parametrize("error", [TypeError, ValueError])
def test_an_error_of_the_plugins_own_passes_unchanged(install, error):
    source = f"class Own:\n    def __init__(self):\n        raise {error.__name__}('mine')\n"
    install("fake", ["own = fake_own:Own"], fake_own=source)
    with pytest.raises(error, match=r"^mine$") as caught:
        registry.build("encoder", "own")
    assert not isinstance(caught.value, PluginError)
