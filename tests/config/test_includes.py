"""Files that include others: each counts once, in order, and is named for what it overrides."""

import pytest

from camser.config.settings import SettingsError, read_arguments
from tests.helpers.recipe_runs import ROOT

IEMOCAP = ROOT / "recipes/IEMOCAP"
DEMO, ABLATION = "hparams/small.yaml", "hparams/ablation.yaml"


def read(*arguments):
    return read_arguments([*arguments, "--data_folder=/data"], IEMOCAP)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write YAMLs in the current folder: ``write(a="seed: 1")``."""
    monkeypatch.chdir(tmp_path)

    def go(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text)

    return go


def test_a_file_resets_nothing_that_only_its_own_base_says(write):
    both = f"[{IEMOCAP / DEMO}, {IEMOCAP / ABLATION}]"
    write(own=f"include: {both}\nlearning_rate: 0.5")
    demo, ablation, own = read(DEMO), read(ABLATION), read("own.yaml")
    assert own.values == {**demo.values, "learning_rate": 0.5}
    assert list(own.variants) == list(ablation.variants)
    assert own.values["encoders"]["wav2vec2"]["source"] is None  # the demo's: no download


def test_a_copy_of_a_base_counts_once_too_unless_it_is_changed(write):
    copy = (IEMOCAP / "hparams/camser.yaml").read_text()
    write(camser=copy, more="include: camser.yaml\nvariants: {x: {}}")
    assert read(DEMO, "--include", "more.yaml").values == read(DEMO).values
    write(camser=copy + "\n")
    changed = read(DEMO, "--include", "more.yaml")
    assert changed.values["number_of_epochs"] == 100
    (line,) = [line for line in changed.overridden if "camser.yaml overrides" in line]
    assert "/hparams/small.yaml: variant, " in line and "number_of_epochs" in line


def test_a_recipe_that_ships_is_included_by_its_name_from_anywhere(write):
    write(own="include: camser:EmoDB/hparams/camser.yaml\nseed: 5")
    values = read("own.yaml", "--include", "camser:frozen.yaml").values
    assert (values["corpus"], values["variant"], values["seed"]) == ("emodb", "frozen", 5)
    assert values == read("camser:EmoDB/hparams/frozen.yaml", "--seed=5").values


def test_include_on_the_command_line_is_a_list_in_a_file(write):
    write(
        own=f"include: [{IEMOCAP / DEMO}, {IEMOCAP / ABLATION}, a.yaml]",
        a="seed: 3\nbatch_size: 4",
    )
    expected = read("own.yaml", "--batch_size=5").values
    asked = read(DEMO, "--include", ABLATION, "a.yaml", "--batch_size=5")
    assert asked.values == expected and asked.values["seed"] == 3
    assert read(DEMO, f"--include={ABLATION}", "--include=a.yaml", "--batch_size=5") == asked


def test_what_overrides_what_is_said_where_files_are_combined(write):
    base = IEMOCAP / "hparams/camser.yaml"
    write(
        base=base.read_text(),
        a="include: base.yaml\nencoders: {mfcc: {hidden_size: 3}, own: {plugin: p}}\nseed: 1234",
        b="encoders: {mfcc: {hidden_size: 4, num_layers: 1}}\nmerge_labels: {}",
        c="opt_class: !name:torch.optim.Adam {weight_decay: 0.01, fused: true}\nvariants: {x: {}}",
    )
    assert read("a.yaml").overridden == []
    assert read("a.yaml", "--include", "b.yaml", "c.yaml").overridden == [
        "settings are from base.yaml, then a.yaml, then b.yaml, then c.yaml",
        "a.yaml overrides base.yaml: encoders.mfcc.hidden_size",
        "b.yaml overrides a.yaml: encoders.mfcc.hidden_size",
        "b.yaml overrides base.yaml: encoders.mfcc.num_layers, merge_labels",
        "c.yaml overrides base.yaml: opt_class",
    ]


def test_a_variant_is_known_by_the_file_that_it_is_from(write):
    write(
        base=f"include: {IEMOCAP / DEMO}\nvariants: {{x: {{seed: 1}}, y: }}",
        more="include: base.yaml\nvariants: {x: {fold: 2}, z: {}}",
        none="include: base.yaml\nvariants: null",
    )
    assert read("more.yaml").variants == {"x": "base.yaml", "y": "base.yaml", "z": "more.yaml"}
    assert read("none.yaml").variants == {}
    cleared = read("none.yaml", "--include", "more.yaml").variants
    assert cleared == {"x": "more.yaml", "z": "more.yaml"}
    assert read("more.yaml", "--variants={v: {}}").variants == {"v": "the command line"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--include"], r"--include has no value; write --include FILE\.yaml"),
        (["--include="], "--include has no value"),
        (["--include", "--fold=1"], "--include has no value"),
        (["--include", "no.yaml"], r"^no\.yaml: no such file.*hparams/demo\.yaml"),
        (
            ["--include", "camser:no.yaml"],
            r"^camser:no\.yaml: no such file; camser has: camser:C",
        ),
        (["--include", "camser:../setup.cfg"], r"^camser:\.\./setup\.cfg: no such file"),
        (["--include", "typo.yaml"], "no setting 'batch_sise'.*'batch_size'"),
        (["--include", "kind.yaml"], "batch_size is 'many'; it must be a number"),
        (["--include", "x" * 5000], "no such file"),
    ],
)
def test_a_mistake_in_an_included_file_is_one_message(write, arguments, message):
    write(typo="batch_sise: 3", kind="batch_size: many")
    with pytest.raises(SettingsError, match=message):
        read(DEMO, *arguments)
