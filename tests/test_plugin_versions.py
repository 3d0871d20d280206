"""Wrong plugins as a recipe meets them; and what a trained model remembers of its plugins."""

import json
import re
import shutil
import warnings

import pytest
import yaml
from speechbrain.inference.classifiers import EncoderClassifier

from camser.build import MODEL_KEYS, build_model, validate_model_config
from camser.config.settings import read_arguments
from camser.evaluation import results
from camser.export.export_run import export_run
from camser.inference import EmotionClassifier, ExportError
from camser.registry import PluginError
from camser.runtime.plugin_versions import PluginVersionWarning, version_differences
from tests.helpers.fake_distributions import ENERGY, installed
from tests.helpers.recipe_runs import ROOT, TINY, close_logs, start_run
from tests.helpers.tiny_export import write_export

NO_PLUGIN = """
class Plain:
    def __init__(self, size):
        raise AssertionError("it was built")
"""


def ask(*overrides):
    """What ``train.py`` makes of a command line before it touches anything."""
    arguments = [TINY, "--data_folder=x", *overrides]
    values = read_arguments(arguments, ROOT / "recipes/IEMOCAP").values
    validate_model_config(*(values[name] for name in MODEL_KEYS))


# Wrong plugins --------------------------------------------------------------------------------


@pytest.fixture
def broken(install):
    """Distributions whose plugins are wrong in every way there is, and one that is right."""
    install("broken", ["bad = fake_bad:Bad"], version="0.9", fake_bad="import no_such_module")
    install("wrong", ["plain = fake_plain:Plain"], ["thing = fake_plain:Plain"],
            fake_plain=NO_PLUGIN)  # fmt: skip
    install("fake", ["energy = fake_energy:Energy", "fine = fake_energy:Energy"],
            fake_energy=ENERGY)  # fmt: skip
    install("rival", ["energy = fake_rival:Energy"], fake_rival=ENERGY)


WRONG = {
    "{plugin: bad}": "camser.encoders: plugin 'bad' of broken 0.9 cannot be imported from "
    "fake_bad:Bad: ModuleNotFoundError: No module named 'no_such_module'",
    "{plugin: plain}": "camser.encoders: plugin 'plain' of wrong 1.0 is the class "
    "fake_plain.Plain; it must be a subclass of camser.encoders.Encoder",
    "{plugin: energy}": "camser.encoders: 'energy' is offered by more than one distribution; give "
    "one of: 'fake:energy', 'rival:energy'",
    "{plugin: fake:energy, hpo: 5}": "plugin 'fake:energy': got an unexpected keyword argument "
    "'hpo'; its parameters are: hop. Did you mean 'hop'?",
    "{plugin: fake:energi}": "camser.encoders: no plugin 'fake:energi'; installed of fake: energy, "
    "fine. Did you mean 'energy'?",
}


@pytest.mark.parametrize("table", WRONG)
def test_a_wrong_encoder_is_told_before_anything_is_built(broken, table):
    with pytest.raises(PluginError, match=re.escape(WRONG[table])):
        ask(f"--encoders={{mine: {table}}}", "--modalities=[mfcc, mine]", "--fusion=concat")


def test_a_fusion_of_the_wrong_type_is_told_too_and_by_the_build(broken):
    expected = re.escape(
        "camser.fusion: plugin 'thing' of wrong 1.0 is the class fake_plain.Plain; it must be a "
        "subclass of camser.fusion.Fusion"
    )
    with pytest.raises(PluginError, match=expected):
        ask("--modalities=[mfcc]", "--fusions={mine: {plugin: thing}}", "--fusion=mine")
    with pytest.raises(PluginError, match=expected):
        build_model(["m"], {"m": {"plugin": "fine"}}, "f", {"f": {"plugin": "thing"}}, 1.0)


def test_wrong_plugins_stop_no_other(broken):
    for plugin in ("fine", "fake:energy", "rival:energy", "mfcc_bilstm", "camser:mfcc_bilstm"):
        ask(f"--encoders={{m: {{plugin: {plugin}}}}}", "--modalities=[m]", "--fusion=concat")
        tables = {"m": {"plugin": plugin}}, "concat", {"concat": {"plugin": "concat"}}
        assert build_model(["m"], *tables, 1.0).plugins["m"]["plugin"] in plugin


# What a model remembers -------------------------------------------------------------------------

ENCODER = "--encoders={energy: {plugin: energy}}"
ASKED = (ENCODER, "--modalities=[mfcc, energy]", "--fusion=concat")
ACME = "acme-ser", ["energy = fake_acme:Energy"]
TOLD = "energy: plugin 'energy' of acme-ser 2.0 is installed; trained with 'energy' of acme-ser 1.4"
GONE = (
    "needs the encoder 'energy' of acme-ser==1.4, which is not installed: pip install acme-ser==1.4"
)


@pytest.fixture(scope="module")
def made(corpus, prepared, iemocap, tmp_path_factory):
    """A run and its export, trained with acme-ser 1.4, which is uninstalled by now."""
    folder = tmp_path_factory.mktemp("made")
    with installed(folder / "site", *ACME, version="1.4", fake_acme=ENERGY):
        job = start_run(iemocap.scan, corpus, prepared, folder / "run", *ASKED)
        job.train()
        job.test()
        export_run(folder / "run", folder / "export", verified=False)
    close_logs()
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy of the run, to be changed, where ``start`` finds it."""
    return shutil.copytree(made / "run", tmp_path / "run")


def change(path, edit, read=json.loads, write=json.dumps):
    content = read(path.read_text())
    edit(content)
    path.write_text(write(content))


def meta_of(run):
    (path,) = run.glob("save/CKPT*/CKPT.yaml")
    return path


def test_checkpoints_results_and_exports_say_the_same(made):
    recorded = results.read_results(made / "run/results.json")["plugins"]
    acme = {"plugin": "energy", "distribution": "acme-ser", "version": "1.4"}
    assert recorded["energy"] == {"kind": "encoder", **acme}
    assert {n: (o["kind"], o["distribution"]) for n, o in recorded.items()} == {
        "mfcc": ("encoder", "camser"),
        "energy": ("encoder", "acme-ser"),
        "concat": ("fusion", "camser"),
    }
    assert yaml.safe_load(meta_of(made / "run").read_text())["plugins"] == recorded
    config = json.loads((made / "export/config.json").read_text())
    assert config["plugins"] == recorded
    assert config["architecture"]["encoders"]["energy"]["plugin"] == "acme-ser:energy"
    card = (made / "export/README.md").read_text()
    assert "| encoder `energy` | energy of acme-ser 1.4 |" in card
    assert f"| fusion `concat` | concat of camser {recorded['mfcc']['version']} |" in card


def test_a_run_goes_on_under_another_version_with_one_warning(folder, start, install):
    install(*ACME, version="2.0", fake_acme=ENERGY)
    job = start(*ASKED)
    job.train()
    job.test()
    assert (folder / "log.txt").read_text().count(TOLD) == 1
    written = results.read_results(folder / "results.json")
    assert written["plugins"]["energy"]["version"] == "1.4"  # it trained what was tested


def load_ours(made):
    EmotionClassifier.from_pretrained(made / "export", "cpu")


def load_speechbrains(made):
    EncoderClassifier.from_hparams(source=str(made / "export"))


def export_again(made):
    folder = made / "again"
    export_run(made / "run", folder, verified=False, replace=True)
    config = json.loads((folder / "config.json").read_text())
    assert config["plugins"]["energy"]["version"] == "1.4"


LOADS = [load_ours, load_speechbrains, export_again]


@pytest.mark.parametrize("load", LOADS)
def test_loading_with_another_version_warns_by_name(made, install, load):
    install(*ACME, version="2.0", fake_acme=ENERGY)
    with pytest.warns(PluginVersionWarning) as caught:
        load(made)
    told = [str(w.message) for w in caught if issubclass(w.category, PluginVersionWarning)]
    assert told == [TOLD]


def test_loading_with_the_same_version_says_nothing(made, install):
    install(*ACME, version="1.4", fake_acme=ENERGY)
    with warnings.catch_warnings():
        warnings.simplefilter("error", PluginVersionWarning)
        for load in LOADS:
            load(made)


def test_a_missing_plugin_is_named_with_its_package_and_version(made, folder, start, install):
    with pytest.raises(ExportError, match=rf"config\.json {GONE}"):
        load_ours(made)
    with pytest.raises(PluginError, match=rf"results\.json {GONE}"):
        export_again(made)
    with pytest.raises(PluginError, match="no plugin 'energy'; installed: "):
        start(*ASKED)
    with pytest.raises(PluginError, match="no plugin 'acme-ser:energy'; installed of acme-ser: no"):
        load_speechbrains(made)
    install("acme-ser", ["other = fake_acme:Energy"], version="2.0", fake_acme=ENERGY)
    with pytest.raises(ExportError, match=GONE):
        load_ours(made)


def test_an_exported_model_of_the_first_versions_still_loads(folder, tmp_path, install):
    install(*ACME, version="1.4", fake_acme=ENERGY)
    export = export_run(folder, tmp_path / "export", verified=False)

    def first(config):  # without a digest, and plugins named without their distribution
        del config["digest"]
        for table in ("encoders", "fusions"):
            for component in config["architecture"][table].values():
                component["plugin"] = component["plugin"].rpartition(":")[2]

    change(export / "config.json", first)
    EmotionClassifier.from_pretrained(export, "cpu")


def test_of_two_packages_that_offer_a_name_each_export_loads_its_own(tmp_path, install):
    install("fake", ["energy = fake_energy:Energy"], fake_energy=ENERGY)
    encoders = {"e": {"plugin": "energy"}}
    one = write_export(tmp_path / "one", "concat", encoders=encoders)
    install("rival", ["energy = fake_rival:Energy"], fake_rival=ENERGY.replace("gain", "level"))
    with pytest.raises(PluginError, match="give one of: 'fake:energy', 'rival:energy'"):
        write_export(tmp_path / "none", "concat", encoders=encoders)
    encoders = {"e": {"plugin": "rival:energy"}}
    other = write_export(tmp_path / "other", "concat", encoders=encoders)
    for export, weight in ((one, "gain"), (other, "level")):
        model = EmotionClassifier.from_pretrained(export, "cpu").mods["embedding_model"]
        assert hasattr(model.encoders["e"], weight)


# The sentence, and who says it ------------------------------------------------------------------


def test_another_distribution_is_another_plugin_and_another_spelling_is_not():
    fake = {"kind": "encoder", "plugin": "e", "distribution": "my_fake", "version": "1"}
    assert version_differences({"m": fake}, {"m": {**fake, "distribution": "My-Fake"}}) == []
    assert (
        version_differences({}, {"m": fake})
        == version_differences({"gone": fake}, {"m": fake})
        == []
    )
    assert version_differences({"m": fake}, {"m": {**fake, "distribution": "rival"}}) == [
        "m: plugin 'e' of rival 1 is installed; trained with 'e' of my-fake 1"
    ]
