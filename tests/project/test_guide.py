"""What docs/plugins.md shows runs, is as short as it says, and lists every check."""

import configparser
import re
import shlex
import sys

import pytest

from camser import cli
from camser.config.settings import read_arguments
from camser.encoders import FrameSpec
from camser.testing import (
    BACK_END_CHECKS,
    ENCODER_CHECKS,
    FUSION_CHECKS,
    check_back_end,
    check_fusion,
    checks_of,
)
from tests.helpers.fake_distributions import write_distribution
from tests.helpers.recipe_runs import ROOT

GUIDE = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")


def block(language, holding):
    """The one code block with a text in it."""
    (found,) = [b for b in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.S) if holding in b]
    return found


def entry_point(group):
    """What the setup.cfg shown for a group says: name, module and class."""
    config = configparser.ConfigParser()
    config.read_string(block("ini", group))
    (line,) = config["options.entry_points"][group].strip().splitlines()
    return re.fullmatch(r"(\w+) = (\w+):(\w+)", line).groups()


def num_lines(source):
    """Of code: blank ones, which ruff wants between methods, do not count."""
    return sum(bool(line.strip()) for line in source.splitlines())


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Installs a code block as the module that its setup.cfg names; returns the class."""

    def install(group, source, name="fake", module="guide", cls=None):
        line = f"{name} = {module}:{cls}"
        write_distribution(tmp_path, "guide", **{group: [line], module: source})
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, module, raising=False)
        return getattr(__import__(module), cls)

    yield install


def test_the_encoder_has_15_lines_and_passes_every_check(module, capsys):
    name, where, cls = entry_point("camser.encoders")
    source = block("python", f"class {cls}(")
    assert num_lines(source) == 13 and "Thirteen lines of code" in GUIDE
    assert f"`{where}.py`" in GUIDE and f"py_modules = {where}" in GUIDE
    module("encoders", source, name, where, cls)
    (command,) = re.findall(rf"^    camser (plugins check {name} .*)$", GUIDE, re.M)
    with pytest.raises(SystemExit) as ended:
        cli.main(shlex.split(command))
    printed = capsys.readouterr().out
    assert ended.value.code == 0, printed
    assert printed.splitlines()[-1] == f"{len(ENCODER_CHECKS)} checks: {len(ENCODER_CHECKS)} ok"


def test_the_fusion_has_15_lines_and_passes_every_check(module):
    name, where, cls = entry_point("camser.fusion")
    source = block("python", f"class {cls}(")
    assert num_lines(source) <= 15
    check_fusion(module("fusions", source, name, where, cls), size=8)


def test_the_back_end_has_15_lines_and_passes_every_check(module):
    name, where, cls = entry_point("camser.back_ends")
    source = block("python", f"class {cls}(")
    assert num_lines(source) <= 15
    check_back_end(module("back_ends", source, name, where, cls), alpha=0.1)


def test_the_front_end_is_kept_and_stays_in_float32(module):
    encoder = module("encoders", block("python", "class LogMel"), cls="LogMel")
    checks = {check.name: check for check in checks_of(encoder, channels=8)}
    for name in ("sizes", "rebuild", "cache", "precision", "device"):
        checks[name]()
    assert encoder().is_cacheable


def test_the_masked_encoder_and_fusion_mask_padding():
    shown = ("class Filterbank(", "class Average(", "class MaskedAverage(")
    names: dict = {}
    exec("\n".join(block("python", text) for text in shown), names)
    encoder, fusion = names["MaskedFilterbank"], names["MaskedAverage"]
    specs = {"a": FrameSpec(5, 4, "mean"), "b": FrameSpec(3, 2, "mean")}
    assert encoder().masks_padding and fusion(specs).check_masks_padding() is None
    for cls, params in ((encoder, {"channels": 8}), (fusion, {"size": 8})):
        {check.name: check for check in checks_of(cls, **params)}["padding"]()
    assert not names["Filterbank"]().masks_padding


def test_the_fusion_with_a_loss_of_its_own_conforms():
    names: dict = {}
    exec("\n".join(block("python", text) for text in ("class Average(", "class Margin(")), names)
    checks = {check.name: check for check in checks_of(names["Margin"], margin=0.5)}
    for name in ("sizes", "loss", "gradients", "precision"):
        checks[name]()


def test_every_check_is_listed_and_no_other():
    table = GUIDE[GUIDE.index("| check | passes if |") :].split("\n\n")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M))
    kinds = {"(encoders) ": (ENCODER_CHECKS, FUSION_CHECKS)}
    kinds["(fusions) "] = FUSION_CHECKS, ENCODER_CHECKS
    assert set(listed) == {*ENCODER_CHECKS, *FUSION_CHECKS}
    assert [name for name in listed if name in ENCODER_CHECKS] == list(ENCODER_CHECKS)
    for prefix, (checks, others) in kinds.items():
        alone = [name for name, text in listed.items() if text.startswith(prefix)]
        assert alone == [name for name in checks if name not in others]
    table = GUIDE[GUIDE.index("| check of a back end | passes if |") :].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == list(BACK_END_CHECKS)


def test_the_failure_that_is_shown_as_expected_is_that_of_a_check():
    (name,) = re.findall(r'expected_failures = \{"(\w+)"', GUIDE)
    assert name in ENCODER_CHECKS


def test_every_command_is_one():
    commands = re.findall(r"^(?:\| `|    )camser (plugins [^`\n]*)", GUIDE, re.M)
    assert {c.split()[1] for c in commands} == {"list", "show", "new", "check", "describe"}
    for command in commands:
        cli._parser().parse_args(shlex.split(command))


def test_the_overrides_are_understood():
    lines = re.findall(r"^    (python recipes/.*)$", GUIDE.replace("\\\n", " "), re.M)
    lines += [f"- - hparams/camser.yaml {o}" for o in re.findall(r"^    (--.*)$", GUIDE, re.M)]
    assert len(lines) == 5
    for line in lines:
        _, _, *arguments = shlex.split(line)
        asked = [a for a in arguments if not a.startswith("--data_folder")]
        values = read_arguments([*asked, "--data_folder=."], ROOT / "recipes/IEMOCAP").values
        tables = {**values["encoders"], **values["fusions"], **values["back_ends"]}
        assert {"filterbank", "average", "ridge", values["back_end"]} & set(tables)


def test_the_picture_is_what_is_printed(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    picture = re.search(r"<!-- printed -->\n```\n(.*?)```", GUIDE, re.S)[1]
    before = GUIDE[: GUIDE.index("<!-- printed -->")]
    cli.main(shlex.split(re.findall(r"^    camser (plugins describe .*)$", before, re.M)[-1]))
    assert picture == capsys.readouterr().out


def test_what_it_links_to_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target
