"""Recipes and overrides: every key is checked, at every depth, in files and on the command line."""

import itertools

import pytest
from speechbrain.utils.run_opts import RunOptions

from camser.config.settings import KEYS, RUN_OPTIONS, SettingsError, read_arguments
from tests.helpers.recipe_runs import ROOT, TINY

IEMOCAP = ROOT / "recipes/IEMOCAP"
FUSIONS = str(IEMOCAP / "hparams/fusions.yaml")
PATHS = ["--data_folder=/data"]


def read(*arguments, recipe=TINY):
    return read_arguments([recipe, *PATHS, *arguments], IEMOCAP)


def test_a_path_is_looked_up_from_here_and_then_beside_the_recipe(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    beside = read(recipe="hparams/camser.yaml")
    assert beside.values["encoders"]["mfcc"]["hidden_size"] == 256
    monkeypatch.chdir(IEMOCAP)
    assert read(recipe="hparams/camser.yaml") == beside
    (tmp_path / "hparams").mkdir()
    own = (IEMOCAP / "hparams/camser.yaml").read_text().replace("seed: 1234", "seed: 7")
    (tmp_path / "hparams/camser.yaml").write_text(own)
    monkeypatch.chdir(tmp_path)
    assert read(recipe="hparams/camser.yaml").values["seed"] == 7
    with pytest.raises(SettingsError, match=r"absent\.yaml: no such file.*hparams/camser\.yaml"):
        read(recipe="hparams/absent.yaml")


def test_overrides_merge_into_tables_and_reach_references():
    values = read(
        "--modalities=[mfcc, wav2vec2]",
        "--fusion", "concat",
        "--encoders={prosody: {plugin: egemaps}, mfcc: {hidden_size: 5}}",
        "--projection_size=7",
    ).values  # fmt: skip
    assert values["modalities"] == ["mfcc", "wav2vec2"] and values["fusion"] == "concat"
    assert values["encoders"]["prosody"] == {"plugin": "egemaps"}
    assert values["encoders"]["mfcc"]["hidden_size"] == 5
    assert values["encoders"]["mfcc"]["plugin"] == "mfcc_bilstm"
    assert values["fusions"]["concat"]["projection_size"] == 7


def test_an_empty_table_or_another_object_takes_the_place_of_the_old():
    assert read("--merge_labels={}").values["merge_labels"] == {}
    assert read(recipe=str(ROOT / "recipes/EmoDB/hparams/camser.yaml")).values["merge_labels"] == {}
    sgd = "!name:torch.optim.SGD {momentum: 0.9}"
    assert read(f"--opt_class={sgd}").values["opt_class"] == {
        "!name:torch.optim.SGD": {"momentum": 0.9}
    }
    adam = read("--opt_class={weight_decay: 0.5}").values["opt_class"]
    assert adam == {"!name:torch.optim.AdamW": {"weight_decay": 0.5, "fused": True}}


def test_a_recipe_that_includes_another_may_bring_helpers_that_it_refers_to(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(f"include: {TINY}\nsize: 12\nprojection_size: !ref <size>\n")
    assert read(recipe=str(own)).values["projection_size"] == 12


def test_auto_is_replaced_and_replaces_other_text():
    assert read("--compiled=true").values["compiled"] is True
    assert read("--variant=auto").values["variant"] == "auto"


def test_values_with_equals_signs_and_spaces_arrive_whole():
    values = read("--variant=a=b", "--output_folder", "results of mine/x=1").values
    assert values["variant"] == "a=b" and values["output_folder"] == "results of mine/x=1"
    values = read("--variant=#2", "--output_folder=run #2 of 3").values
    assert values["variant"] == "#2" and values["output_folder"] == "run #2 of 3"
    values = read("--variant='run'", "--labels=[a, 'b #c']").values
    assert values["variant"] == "run" and values["labels"] == ["a", "b #c"]
    values = read("--variant=a: b", "--output_folder=!ref 'run #2/<variant>/<seed>'").values
    assert values["output_folder"] == "run #2/a: b/1234"


def test_a_path_may_begin_with_the_home_folder_on_the_command_line_and_in_a_file(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    own = tmp_path / "own.yaml"
    own.write_text(f"include: {TINY}\nprepared_folder: ~/prepared\n")
    settings = read(
        "--output_folder=!ref ~/runs/<seed>",
        "--export_folder=~/export",
        "--encoders={spectrogram: {weights: ~/a.safetensors}}",
        recipe=str(own),
    )
    values = settings.values
    assert values["prepared_folder"] == f"{tmp_path}/prepared"
    assert values["output_folder"] == f"{tmp_path}/runs/1234"
    assert values["export_folder"] == f"{tmp_path}/export"
    assert values["encoders"]["spectrogram"]["weights"] == f"{tmp_path}/a.safetensors"
    assert "~/" not in settings.text
    several = read_arguments([TINY, "--data_folder={emodb: ~/emodb}"], IEMOCAP)
    assert several.values["data_folder"] == {"emodb": f"{tmp_path}/emodb"}


def test_null_replaces_a_number_and_clears_included_variants(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(f"include: {FUSIONS}\nvariants:\nencoders: {{mfcc: {{num_layers: null}}}}\n")
    settings = read("--variant=mine", recipe=str(own))
    assert settings.variants == {} and settings.values["variant"] == "mine"
    assert settings.values["encoders"]["mfcc"]["num_layers"] is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--modalites=[mfcc]"], "no setting 'modalites'.*Did you mean 'modalities'"),
        (["--lerning_rate=1"], "no setting 'lerning_rate'.*'learning_rate'"),
        (["--prec=bf16"], "no setting 'prec'"),
        (["--precison=bf16"], "no setting 'precison'.*'precision'"),
        (["--encoders=[mfcc]"], r"encoders is \['mfcc'\]; it must be a table"),
        (["--opt_class=adam"], "opt_class is 'adam'; it must be a table"),
        (["--allow_missing=no"], "allow_missing is 'no'; it must be true or false"),
        (["--batch_size=many"], "batch_size is 'many'; it must be a number"),
        (["--batch_size=true"], "batch_size is True; it must be a number"),
        (["--labels=angry"], "labels is 'angry'; it must be a list"),
        (["--encoders={mfcc: {dropout: half}}"], "encoders.mfcc.dropout is 'half'"),
        (["--opt_class={weight_decai: 1}", "--fusion=1"], "fusion is 1; it must be a string"),
        (["--bfloat16_mix_prec=true"], "no setting 'bfloat16_mix_prec'"),
        (["--debug", "true"], "not understood"),
        (["other.yaml"], "not understood"),
        (["-fold=2"], "not understood"),
        (["--fold=1", "--fold=2"], "--fold is given twice"),
        (["--modalities", "mfcc", "wav2vec2"], r'not understood: .*lists --key="\[a, b\]"'),
        (["--variant="], "--variant has no value"),
        (["--fold"], "--fold has no value"),
        (["--variant={a"], "--variant: not valid YAML"),
        (
            ["--variant=a", "--variants=[a]"],
            r"variants is \['a'\]; it must be a table, e\.g\. {small: ",
        ),
        (["--variant=a", "--variants=a"], "variants is 'a'; it must be a table"),
        (
            ["--variant=a", "--variants={a: 5}"],
            "variants is {'a': 5}; an entry of it must be a table or null, ",
        ),
        (
            ["--variant=a", "--variants={1: {fold: 1}}"],
            "variants is {1: {'fold': 1}}; a key of it must be a string, ",
        ),
        (
            ["--variant=a", "--variants=!!set {a}"],
            r"variants is set\(.*\); it must be a table, e\.g\. {small: ",
        ),
        (["--=5"], "no setting ''"),
        (["--1=2"], "no setting '1'"),
        (["--null=2"], "no setting 'null'"),
        (["--batch-size=2"], "no setting 'batch-size'.*'batch_size'"),
        (["--valid_fraction=5"], "valid_fraction is 5; it must be a number at most 1"),
        ([f"--learning_rate={'9' * 400}"], "learning_rate is 9999.*; it (is too large$|must be)"),
        (["--learning_rate=.inf"], "a setting is inf; numbers must be finite"),
        (["--cache_features=null"], "cache_features is None; it must be true or false"),
        (["--opt_class=null"], "opt_class is None; it must be a table"),
        (["--seed=!ref <seed>"], "settings refer to each other in a circle: seed, seed$"),
        (
            ["--labels=[!ref a<variant>]", "--variant=!ref <labels>"],
            "in a circle: variant, labels, variant$",
        ),
        (["--labels=!apply:a.b {c: 1}"], "labels is {'!apply:a.b': .*}; it must be a list"),
        (["--encoders=null"], "encoders is None; it must be a table"),
        (["--batch_size=5 #2"], "batch_size is '5 #2'; it must be a number"),
        (["--labels=[a] # b"], "--labels: YAML takes '# b' for a comment; put text that has ' #'"),
        (["--variant='run' # 2"], "--variant: YAML takes '# 2' for a comment"),
        (["--output_folder=!ref run #2/<seed>"], "YAML takes '#2/<seed>' for a comment"),
        (["--data={emodb: /run #2}"], "not valid YAML: (.|\\n)*quotes: {a: 'run #2'}"),
        (["--merge_labels=excited: happy"], "'excited: happy'; it must be a table, e.g. {key: "),
    ],
)
def test_what_is_misspelt_on_the_command_line_is_named_with_the_nearest(arguments, message):
    with pytest.raises(SettingsError, match=message):
        read(*arguments)


@pytest.mark.parametrize(
    "text, message",
    [
        ("checkpointer: {recoverables: {hed: 3}}", "no setting 'hed' in checkpointer.recoverables"),
        ("pateince: 3", "no setting 'pateince'.*'patience'"),
        ("encoders: {mfcc: {}}\nfusons: {}", "no setting 'fusons'.*'fusions'"),
        ("[1, 2]", "must be a mapping"),
        ("a: [", "not valid YAML"),
        ("include: 5", "include is 5; it must be a list, of files"),
        ("include: [5]", r"include\[0\] is 5; it must be a string, of files"),
        ("include:", "include is None"),
        ("variants: 5", "variants is 5; it must be a table"),
        ("include: absent.yaml", r"absent\.yaml cannot be read: .*No such file"),
        ("include: own.yaml", "includes itself"),
    ],
)
def test_what_is_misspelt_in_a_file_is_named_too(tmp_path, text, message):
    own = tmp_path / "own.yaml"
    include = "" if "include" in text or text[0] == "[" else f"include: {TINY}\n"
    own.write_text(f"{include}{text}\n")
    with pytest.raises(SettingsError, match=message):
        read(recipe=str(own))


def test_a_recipe_of_its_own_may_neither_lack_a_setting_nor_have_an_idle_one(tmp_path):
    text = (IEMOCAP / "hparams/camser.yaml").read_text()
    own = tmp_path / "own.yaml"
    own.write_text(text.replace("merge_labels: {excited: happy}\n", ""))
    with pytest.raises(SettingsError, match="the recipe lacks merge_labels"):
        read(recipe=str(own))
    own.write_text(text + "helper: 3  # not <helper>\n")
    with pytest.raises(SettingsError, match="nothing uses the setting 'helper'"):
        read(recipe=str(own))
    own.write_text(text.replace("seed: 1234", "helper: 3\nseed: !ref <helper>"))
    assert read(recipe=str(own)).values["seed"] == 3


def test_a_placeholder_says_how_to_fill_it():
    with pytest.raises(SettingsError, match="data_folder is not set; give --data_folder="):
        read_arguments([TINY], IEMOCAP)


def test_what_a_run_leaves_is_the_same_run_and_can_still_be_overridden(tmp_path):
    first = read("--fold=2", "--precision=bf16", "--encoders={mfcc: {hidden_size: 3}}")
    saved = tmp_path / "hyperparams.yaml"
    saved.write_text(first.text)
    again = read_arguments([str(saved)], IEMOCAP)
    assert again.values == first.values and again.values["precision"] == "bf16"
    moved = read_arguments([str(saved), "--seed=5"], IEMOCAP)
    assert moved.values["output_folder"] == first.values["output_folder"].replace("1234", "5")


def test_values_for_other_seeds_and_folds_reach_references():
    settings = read("--output_folder=!ref <variant>/fold<fold>-seed<seed>")
    values = settings.with_values(seed=7, fold=3)
    assert values["output_folder"] == "tiny/fold3-seed7" and values["seed"] == 7
    assert {**settings.values, **values} == values and settings.values["fold"] == 0


def test_no_setting_is_swallowed_by_speechbrains_parser():
    for key, option in itertools.product(KEYS, RUN_OPTIONS):
        assert not option.startswith(key), f"--{key} would be taken for --{option}"
    _, _, overrides = RunOptions.from_command_line_args(["x", *(f"--{k}=1" for k in sorted(KEYS))])
    assert all(f"{key}:" in overrides for key in KEYS)


def test_a_setting_that_an_override_leaves_idle_is_dropped(tmp_path):
    recipe = str(ROOT / "recipes/EmoDB/hparams/whole_utterances.yaml")
    settings = read(recipe=recipe)
    assert "embedding_size" not in settings.values
    stored = tmp_path / "stored.yaml"
    stored.write_text(settings.text)
    assert read(recipe=str(stored)).values == settings.values
    assert read("--embedding_size=64", recipe=recipe).values == settings.values
