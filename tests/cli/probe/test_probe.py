"""``camser probe``: a table, a figure and files, from a recipe or from labels."""

import csv
import json

import pytest

from camser.cli import main
from camser.cli.probe import output, recipe
from camser.experiment import layer_probe
from tests.encoders.test_whisper import whisper_model
from tests.helpers.recipe_runs import ROOT

DEMO = str(ROOT / "recipes/IEMOCAP/hparams/small.yaml")
PAGES = sorted(ROOT.glob("recipes/*/results/*/layers.json"))


@pytest.fixture
def probe(corpus, prepared, tmp_path, capsys):
    """Probe the demo's encoder of two layers; returns layers.json and what was printed."""

    def go(*options):
        folders = f"--data_folder={corpus}", f"--prepared_folder={prepared}"
        command = ["probe", DEMO, *folders, "--device=cpu", "--num_inner_folds=2", *options]
        main([*command, "--output", str(tmp_path / "probe")])
        found = json.loads((tmp_path / "probe/layers.json").read_text())
        return found, capsys.readouterr().out

    return go


def test_a_recipes_layers_are_scored_without_its_test_and_validation_speakers(
    probe, tmp_path, monkeypatch
):
    used, own = [], layer_probe.pool_layers
    monkeypatch.setattr(recipe, "pool_layers", lambda *args: used.extend(args[2]) or own(*args))
    found, printed = probe("--fold=3")
    (fold,) = found["folds"]
    assert (found["encoder"], found["recipe_layer"], fold["name"]) == (
        "wav2vec2",
        2,
        "iemocap/Ses02M",
    )
    assert not {u.speaker for u in used} & {"iemocap/Ses02M", "iemocap/Ses02F"}
    assert (fold["speakers"], fold["utterances"]) == (8, len(used))
    means = [sum(layer["UA"]) / 2 for layer in fold["layers"]]
    assert len(means) == 3 and fold["layer"] == means.index(max(means))
    lines = printed.splitlines()
    (best,) = [line for line in lines if "best" in line.split("%")[-1] and "±" in line]
    assert best.split()[0] == str(fold["layer"])
    assert "no utterance of the fold's test and validation splits was used" in printed
    assert f'--encoders="{{wav2vec2: {{layer: {fold["layer"]}}}}}"' in printed
    rows = list(csv.DictReader((tmp_path / "probe/layers.csv").read_text().splitlines()))
    assert [float(r["UA"]) for r in rows if r["layer"] == "1"] == fold["layers"][1]["UA"]
    assert (tmp_path / "probe/layers.png").stat().st_size > 10_000
    assert (tmp_path / "probe/layers.svg").is_file()


def test_all_folds_choose_a_layer_each(probe):
    found, printed = probe("--all-folds", "--protocol=leave_one_session_out", "--fusion=concat")
    layers = [fold["layer"] for fold in found["folds"]]
    assert len(layers) == found["num_protocol_folds"] == 5
    assert f"by fold: {', '.join(map(str, layers))}; none was chosen with" in printed
    assert f"best in {layers.count(layers[0])} of 5" in printed
    assert ("to train with it" in printed) == (len({*layers}) == 1)


def test_labels_are_probed_and_leave_a_recipe(write_table, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whisper_model().save_pretrained("checkpoint")
    table = str(write_table(speaker=lambda u: u.speaker))
    options = ["--encoder", "checkpoint", "--device", "cpu", "--folds", "3"]
    main(["probe", table, *options, "--output", "found", "--set", "num_inner_folds=2"])
    printed = capsys.readouterr().out
    assert "60 recordings" in printed and "speech (checkpoint), whole utterances" in printed
    (fold,) = json.loads((tmp_path / "found/layers.json").read_text())["folds"]
    assert f'--set "encoders={{speech: {{layer: {fold["layer"]}}}}}"' in printed
    assert "2 other folds test speakers that took part here" in printed
    assert (tmp_path / "found/recipe.yaml").is_file()
    with pytest.raises(SystemExit, match="no pretrained encoder to probe; give --encoder"):
        main(["probe", table, "--preset", "tiny", "--output", "none"])


def test_what_has_no_layers_is_refused(probe, tmp_path):
    with pytest.raises(SystemExit, match=r"none of \['mfcc'\] has layers to choose from; give"):
        probe("--modalities=[mfcc]", "--fusion=concat")
    with pytest.raises(SystemExit, match="wav2vec2 and whisper have layers to choose from"):
        probe("--modalities=[wav2vec2, whisper]", "--fusion=concat")
    with pytest.raises(SystemExit, match="'modality'"):
        probe("--modality=whisper")
    path = tmp_path / "alone.yaml"
    path.write_text(f"include: {DEMO}\n")
    with pytest.raises(SystemExit, match=r"alone\.yaml: no train\.py in its folder or the one"):
        main(["probe", str(path), "--data_folder=x"])


def test_every_recipe_that_ships_has_a_scan():
    for path in ROOT.glob("recipes/*/hparams/camser.yaml"):
        scan = recipe.load_scan(path)
        assert callable(scan) or all(map(callable, scan.values()))


@pytest.mark.parametrize("path", PAGES, ids=lambda p: "-".join(p.parts[-4:-1]))
def test_a_readmes_layers_are_those_of_its_file(path):
    shown = output.table(json.loads(path.read_text(encoding="utf-8")))
    readme = (path.parents[2] / "README.md").read_text(encoding="utf-8")
    indented = "\n".join(f"    {line}".rstrip() for line in shown.splitlines())
    assert indented in readme
