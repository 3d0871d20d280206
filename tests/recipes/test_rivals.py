"""The recipes of the paper's Table 1: the nine rivals at their papers' sizes and at small ones."""

import configparser
import importlib
from types import SimpleNamespace

import pytest

from camser import registry
from camser.build import MODEL_KEYS, build_back_end, validate_model_config
from camser.cli.plugins import recipe
from camser.config.settings import read_arguments
from camser.evaluation.report.table_1 import SYSTEMS
from tests.helpers.recipe_runs import ROOT

PACKAGE = ROOT / "examples/plugins/camser-rivals"
# As in the package's README.
SIZES = {
    "rnn_elm": 150_149,
    "acrnn": 9_300_420,
    "blstm_ctc_ca": 701_957,
    "seqcap": 149_880,
    "tf_cnn": 93_572,
    "hnsd": 2_864_804,
    "cnn_elm_stc": 16_835_856,
    "audio25": 3_885_444,
    "is09": 1_679_108,
}
FROZEN = {"mfcc", "spectrogram", "whisper", "whisper_statistics", "concat", "co_attention",
          "co_attention_softmax"}  # fmt: skip
VARIANTS = {
    "IEMOCAP/hparams/table1.yaml": {"camser"},
    "IEMOCAP/hparams/rivals.yaml": {"camser"},
    "EmoDB/hparams/rivals.yaml": {*FROZEN, "logistic"},
    "RAVDESS/hparams/rivals.yaml": {*FROZEN, "logistic"},
}


@pytest.fixture(autouse=True)
def package(monkeypatch):
    """The rivals' plugins, as if their package were installed."""
    monkeypatch.syspath_prepend(str(PACKAGE))
    config, points = configparser.ConfigParser(), []
    config.read(PACKAGE / "setup.cfg", encoding="utf-8")
    dist = SimpleNamespace(name="camser-rivals", version="0.1.0")
    for group in ("camser.encoders", "camser.fusion"):
        for line in config["options.entry_points"][group].strip().splitlines():
            name, place = line.split(" = ")
            module, cls = place.split(":")
            points.append(
                SimpleNamespace(
                    group=group, name=name, value=place, dist=dist,
                    load=lambda m=module, c=cls: getattr(importlib.import_module(m), c),
                )
            )  # fmt: skip
    with registry.offering(points):
        yield


def read(yaml, *overrides):
    return read_arguments([str(ROOT / "recipes" / yaml), "--data_folder=nowhere", *overrides])


@pytest.mark.parametrize("name", SIZES)
def test_a_rival_has_the_parameters_of_its_paper(name):
    model, head = recipe.build(read("IEMOCAP/hparams/table1.yaml", f"--variant={name}"))
    parameters = [p for module in (model, head) for p in module.parameters()]
    assert sum(p.numel() for p in parameters) == SIZES[name]
    assert all(p.requires_grad for p in parameters)


@pytest.mark.parametrize("yaml", VARIANTS)
def test_the_recipes_have_all_nine_beside_their_own_variants(yaml):
    assert set(read(yaml).variants) == {*SIZES, *VARIANTS[yaml]}


@pytest.mark.parametrize("name", SIZES)
def test_a_small_rival_is_the_same_system(name):
    settings = read("IEMOCAP/hparams/rivals.yaml", f"--variant={name}")
    values = settings.values
    validate_model_config(*(values[key] for key in MODEL_KEYS))
    back_end = build_back_end(values["back_end"], values["back_ends"])
    assert (back_end is not None) == ("elm" in name) == values["back_end_after_training"]
    model, head = recipe.build(settings)
    parameters = [p for module in (model, head) for p in module.parameters()]
    small = sum(p.numel() for p in parameters)
    assert small < 0.7 * SIZES[name]


def test_the_report_knows_each_rival_once():
    named = [s.variant for systems in SYSTEMS.values() for s in systems if s.variant]
    assert sorted(named) == sorted(SIZES)


def test_the_subset_of_most_papers_is_an_include():
    include = ["--include", str(ROOT / "recipes/IEMOCAP/hparams/improvised.yaml")]
    values = read("IEMOCAP/hparams/table1.yaml", *include, "--variant=seqcap").values
    assert (values["styles"], values["merge_labels"]) == (["improvised"], {})
    assert values["output_folder"].startswith("results/iemocap/improvised/seqcap/")
    whole = read("IEMOCAP/hparams/table1.yaml", "--variant=seqcap").values
    assert whole["styles"] is None and whole["merge_labels"] == {"excited": "happy"}
