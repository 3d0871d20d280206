"""``camser plugins``: lists without importing, shows, checks; one broken plugin stops no other."""

import json
import os
import subprocess
import sys

import pytest
import torch

from camser import registry
from camser.cli import main
from camser.cli.plugins.show import PAPER_SPECS
from camser.testing import CheckResult, checks_of
from tests.helpers.fake_distributions import ENERGY, write_distribution

SUM = """
from camser.fusion import Fusion

class Sum(Fusion):
    def __init__(self, specs, *, size: int = 1, **rest: "anything"):
        super().__init__(specs)
        self.out_features = size

    def projections(self, frames):
        return {n: f.mean(dim=(1, 2))[:, None] for n, f in frames.items()}

    def forward(self, frames):
        return sum(self.projections(frames).values())
"""


def plugins(capsys, *arguments):
    main(["plugins", *arguments])
    return capsys.readouterr().out


def rows(text):
    return {line.split()[1]: line for line in text.splitlines()}


def test_listing_takes_less_than_half_a_second_and_imports_neither_torch_nor_a_plugin(tmp_path):
    write_distribution(tmp_path, "fake", ["boom = fake_boom:Boom"], fake_boom="1 / 0")
    code = """
import sys, time
from camser.cli import main
main(["plugins", "list"])
heavy = {"torch", "numpy", "speechbrain", "yaml", "fake_boom"} & set(sys.modules)
print(sorted(heavy), time.process_time())
"""
    path = os.pathsep.join([str(tmp_path), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    *listed, last = answer.stdout.splitlines()
    assert ["encoder", "boom", "fake", "1.0"] in [line.split() for line in listed]
    heavy, seconds = last.rsplit(maxsplit=1)
    assert heavy == "[]"
    assert float(seconds) < 0.5  # of this process alone, the interpreter's start included


def test_columns_are_as_wide_as_what_is_in_them(install, capsys):
    install("a-rather-long-name-of-a-distribution", ["e = fake_energy:Energy"], version="10.20.30")
    listed = plugins(capsys, "list").splitlines()
    at = {(line.index(" camser "), line.index(" 0.")) for line in listed if "  camser  " in line}
    assert len(at) == 1
    assert len({line.rindex("  ") for line in listed}) == 1  # before the version


def test_a_name_of_two_distributions_is_listed_as_it_must_be_written(install, capsys):
    install("fake", ["energy = fake_energy:Energy"], fake_energy=ENERGY)
    install("rival", ["energy = fake_rival:Energy"], fake_rival=ENERGY)
    found = json.loads(plugins(capsys, "list", "--json"))
    names = [plugin["name"] for plugin in found if plugin["distribution"] in ("fake", "rival")]
    assert names == ["fake:energy", "rival:energy"]
    assert all(registry.find("encoder", name) for name in names)
    assert "rival:energy" in rows(plugins(capsys, "list"))


FAULTS = {
    "import no_such_module": "cannot be imported: ModuleNotFoundError: No module named 'no_such",
    "raise RuntimeError('no\\n  licence')": "cannot be imported: RuntimeError: no licence",
    "import sys; sys.exit(3)": "cannot be imported: SystemExit: 3",
    "def f(:": "cannot be imported: SyntaxError: ",
    "": "cannot be imported: AttributeError: module ",
    "Bad = 3": "camser.encoders: plugin 'bad5' of broken5 1.0 is 3; an entry point must name a cl",
    "class Bad: pass": "camser.encoders: plugin 'bad6' of broken6 1.0 is the class fake_6.Bad; it "
    "must be a subclass of camser.encoders.Encoder",
    "from camser.fusion import Fusion as Bad": "camser.encoders: plugin 'bad7' of broken7 1.0 is "
    "the class camser.fusion.base.Fusion; it must be a subclass of",
}


def test_each_plugin_is_said_to_load_or_why_it_does_not(install, capsys):
    for number, source in enumerate(FAULTS):
        lines = [f"bad{number} = fake_{number}:Bad"]
        install(f"broken{number}", lines, **{f"fake_{number}": source})
    install("fake", ["energy = fake_energy:Energy"], fake_energy=f"print('noise')\n{ENERGY}")
    found = json.loads(plugins(capsys, "list", "--load", "--json"))
    faults = {plugin["name"]: plugin["fault"] for plugin in found}
    for number, fault in enumerate(FAULTS.values()):
        assert faults[f"bad{number}"].startswith(fault)
    assert all(fault == "" for name, fault in faults.items() if not name.startswith("bad"))
    listed = rows(plugins(capsys, "list", "--load"))
    assert listed["bad2"].endswith("  1.0    cannot be imported: SystemExit: 3")
    assert listed["energy"].endswith("  loads") and listed["mfcc_bilstm"].endswith("  loads")


def test_what_is_broken_is_named_with_its_distribution_and_version(install):
    install("broken", ["bad = fake_bad:Bad"], version="0.9", fake_bad="import no_such_module")
    with pytest.raises(SystemExit, match=r"'bad' of broken 0\.9 cannot be imported from fake_"):
        main(["plugins", "show", "bad"])


def test_a_plugin_is_shown_with_its_parameters_and_true_sizes(capsys):
    shown = plugins(capsys, "show", "mfcc_bilstm", "{hidden_size: 8, num_layers: 1}")
    lines = [line.split() for line in shown.splitlines()]
    version = registry.origin_of("encoder", "mfcc_bilstm")["version"]
    assert lines[0] == ["encoder", "mfcc_bilstm,", "camser", version]
    assert "camser.encoders.mfcc.MFCCBiLSTM" in shown and "camser/encoders/mfcc.py:" in shown
    assert "    MFCC frames, each of unit length, through a bidirectional LSTM." in shown
    assert ["hidden_size", "int", "256"] in lines and ["dropout", "float", "0.5"] in lines
    encoder = registry.build("encoder", "mfcc_bilstm", hidden_size=8, num_layers=1)
    count = sum(p.numel() for p in encoder.parameters())
    assert f"built with hidden_size=8, num_layers=1: {count:,} parameters, all trained" in shown
    assert ["segments", "of", "3", "s", "[300,", "16]", "flatten"] in lines
    assert ["segments", "of", "1", "s", "[100,", "16]", "flatten"] in lines


def test_a_fusion_is_shown_with_what_it_makes_of_the_papers_modalities(capsys):
    shown = plugins(capsys, "show", "co_attention", "{guides: [mfcc], target: wav2vec2}")
    assert "spectrogram is neither in guides nor" not in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["guides", "Sequence[str]", "required"] in lines
    assert ["activation", "str", "'relu'"] in lines
    assert ["mfcc", "[300,", "512]", "flatten", "[128]"] in lines
    assert ["wav2vec2", "[149,", "768]", "weighed", "[128]"] in lines
    assert ["fused", "vector", "[384]"] in lines


def test_the_papers_modalities_are_those_of_its_encoders():
    encoders = {
        "mfcc": registry.build("encoder", "mfcc_bilstm"),
        "spectrogram": registry.build("encoder", "spectrogram_alexnet", weights=None),
    }
    with torch.device("meta"):  # only sizes, of its 94 million weights
        config = {"model_type": "wav2vec2"}
        encoders["wav2vec2"] = registry.build("encoder", "wav2vec2", config=config)
    assert {name: e.frame_spec(48000) for name, e in encoders.items()} == PAPER_SPECS


def test_what_cannot_be_built_as_asked_is_shown_with_its_own_message(capsys):
    shown = plugins(capsys, "show", "wav2vec2")
    assert "it cannot be built with its defaults\n    give either source (a hub id" in shown
    assert "normalize               bool | None            None" in shown


def test_what_a_class_declares_and_how_it_writes_its_types_is_shown(install, capsys):
    declared = SUM + '    expected_failures = {"device": "it runs on the CPU"}\n'
    install("fake", fusions=["energy = fake_sum:Sum"], fake_sum=declared)
    install("rival", ["energy = fake_energy:Energy"], fake_energy=ENERGY)
    shown = plugins(capsys, "show", "energy")  # both, of one name
    assert "encoder energy, rival 1.0" in shown and "fusion energy, fake 1.0" in shown
    assert "expected failures\n    device  it runs on the CPU\n" in shown
    assert "    size    int       1\n    **rest  anything\n" in shown
    assert "    hop    400\n" in shown and "no docstring" in shown
    assert "rival" not in plugins(capsys, "show", "energy", "--kind", "fusion")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mfcc_bilst"], r"no plugin 'mfcc_bilst'; installed: .* Did you mean 'mfcc_bilstm'\?"),
        (["concat", "--kind=encoder"], "camser.encoders: no plugin 'concat'; installed: "),
        (["mfcc_bilstm", "{hiden_size: 8}"], r"'hiden_size'; .* Did you mean 'hidden_size'\?"),
        (["mfcc_bilstm", "[8]"], r"the parameters are '\[8\]'; write them as in a recipe"),
        (["mfcc_bilstm", "{a: [b"], "the parameters: not valid YAML: "),
        (["mfcc_bilstm", "{} # 2"], "the parameters: YAML takes '# 2' for a comment; "),
        (["mfcc_bilstm", "{1: 2}"], "the parameters are '{1: 2}'; write them as in a recipe"),
    ],
)
@pytest.mark.parametrize("action", ["show", "check"])
def test_a_wrong_name_or_parameter_is_answered_helpfully(action, arguments, message):
    with pytest.raises(SystemExit, match=message):
        main(["plugins", action, *arguments])


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (
            [("sizes", "passed", ""), ("compile", "passed", "graph breaks: 2"),
             ("device", "xfailed", "it runs on the CPU")],
            ["ok        sizes          Frames and channels are as declared",
             "ok        compile        torch.compile gives the same",
             "          graph breaks: 2",
             "expected  device         expected to fail: it runs on the CPU",
             "3 checks: 2 ok, 1 expected to fail"],
        ),
        (
            [("batch", "failed", "MFCC() fails the check 'batch': …\n    off by 0.3"),
             ("cache", "xpassed", "it is declared to fail (…), but it passes"),
             ("sizes", "passed", "")],
            ["FAILED    batch          A segment's output does not depend on",
             "          off by 0.3",
             "FAILED    cache          it is declared to fail (…), but it passes",
             "ok        sizes          Frames and channels are as declared",
             "3 checks: 1 ok, 2 FAILED"],
        ),
    ],
)  # fmt: skip
def test_each_check_is_a_line_and_failures_end_with_status_1(capsys, monkeypatch, found, lines):
    def run_checks(plugin, **params):  # the kit runs for real elsewhere
        checks = {check.name: check for check in checks_of(plugin, **params)}
        return [CheckResult(checks[name], status, message) for name, status, message in found]

    monkeypatch.setattr("camser.cli.plugins.check.run_checks", run_checks)
    with pytest.raises(SystemExit) as ended:
        main(["plugins", "check", "mfcc_bilstm"])
    assert ended.value.code == int("FAILED" in lines[-1])
    printed = capsys.readouterr().out.splitlines()
    assert all(map(str.startswith, printed, lines)) and len(printed) == len(lines)


def test_a_name_of_both_kinds_is_checked_one_at_a_time(install):
    install("fake", ["both = fake_energy:Energy"], ["both = fake_sum:Sum"])
    expected = "'both' is encoder and fusion; choose one: --kind encoder"
    with pytest.raises(SystemExit, match=expected):
        main(["plugins", "check", "both"])
