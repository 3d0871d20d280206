"""What is looked at: any table that ``camser train`` reads, or a recipe and its corpus."""

import shutil

import pytest
import soundfile
import yaml

from camser.config.recipes import RECIPES
from camser.data.manifest import Utterance
from camser.data.synthetic import synthesize_corpus
from camser.data_check.check import check_labels
from camser.data_check.source import SourceError, is_recipe, read_labels, read_recipe
from tests.data_check.conftest import write_table
from tests.helpers.emodb_forms import write_corpus, write_kaldi

MERGE = {"happy": "up", "angry": "down"}


@pytest.fixture(scope="module")
def emodb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emodb")
    write_corpus(folder)
    return folder


def numbers(source):
    return len(source.utterances), len({u.emotion for u in source.utterances})


@pytest.mark.parametrize("recipe", ["EmoDB", RECIPES / "EmoDB", "EmoDB/hparams/frozen.yaml"])
def test_a_recipe_is_its_name_its_folder_or_its_yaml(emodb, recipe):
    recipe = str(recipe if str(recipe) == "EmoDB" else RECIPES / recipe)
    assert is_recipe(recipe)
    source = read_recipe(recipe, str(emodb))
    assert (source.name, source.data_folder) == ("emodb", emodb)
    assert numbers(source) == (60, 4)
    merged = read_recipe(recipe, str(emodb), ["up", "down"], MERGE)
    assert numbers(merged) == (30, 2)
    assert merged.left_out == {"neutral": 15, "sad": 15}


def test_a_corpus_that_is_not_the_published_one_says_so(emodb):
    (finding,) = [
        f for f in check_labels(read_recipe("EmoDB", str(emodb))).findings
        if f.name == "unexpected numbers"
    ]  # fmt: skip
    assert finding.severity == "serious" and "emodb, angry: 15 of 127" in finding.examples


def test_only_utterances_of_the_recipe_s_styles_are_looked_at(tmp_path):
    synthesize_corpus(tmp_path / "corpus", 2, 8)
    recipe = shutil.copytree(RECIPES / "IEMOCAP", tmp_path / "recipe") / "hparams/mine.yaml"
    recipe.write_text("include: camser:IEMOCAP/hparams/camser.yaml\nstyles: [improvised]\n")
    source = read_recipe(str(recipe), str(tmp_path / "corpus"))
    assert {u.style for u in source.utterances} == {"improvised"}
    assert source.left_out["scripted speech"] > 0 and "count" not in source.problems


def test_a_folder_that_camser_train_left_is_a_recipe(emodb, tmp_path):
    kaldi = write_kaldi(shutil.copytree(emodb, tmp_path / "kaldi"))
    runs = tmp_path / "model-runs"
    shutil.copytree(RECIPES / "Table", runs)
    settings = {
        "include": "camser:Table/hparams/tiny.yaml", "corpus": "kaldi", "data_folder": str(kaldi),
        "labels": ["up", "sad"], "merge_labels": {"happy": "up"},
    }  # fmt: skip
    (runs / "recipe.yaml").write_text(yaml.safe_dump(settings))
    (runs / "table.yaml").write_text(yaml.safe_dump({"source": str(kaldi)}))
    assert is_recipe(str(runs)) and not is_recipe(str(kaldi))
    source = read_recipe(str(runs))
    assert numbers(source) == (30, 2) and source.data_folder == kaldi


def test_a_recipe_that_joins_corpora_is_refused():
    with pytest.raises(SourceError, match=r"CrossCorpus has no <corpus>_prepare.py .* its own rec"):
        read_recipe("CrossCorpus", "{emodb: /data/emodb}")
    with pytest.raises(SourceError, match=r"there is no train.py"):
        read_recipe(str(RECIPES / "augmentation.yaml"), "data")


def test_labels_that_no_recording_has_are_refused(emodb):
    with pytest.raises(SourceError, match=r"no recording is \['calm'\]; there are: .*angry"):
        read_recipe("EmoDB", str(emodb), ["calm"])


def test_rows_with_problems_are_left_out_and_counted(copy):
    folder, rows = copy
    rows.append({**rows[0], "file": "gone.wav"})
    source = read_labels({"source": str(write_table(folder, rows)), "allow_missing": True})
    assert len(source.utterances) == 128 and source.problems == {"missing file": 1}
    assert "gone.wav: there is no such file" in source.examples["missing file"][0]
    merged = read_labels({"source": str(folder / "labels.csv"), "merge_labels": MERGE})
    assert {u.emotion for u in merged.utterances} == {"up", "down", "neutral", "sad"}


def test_parts_of_a_long_file_are_recordings(tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "long.wav", rng.normal(0, 0.1, 64000), 16000)
    lines = [f"long.wav,{e},{i / 4},{i / 4 + 0.25}" for i, e in enumerate(["up", "down"] * 8)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,emotion,start,end", *lines]))
    source = read_labels({"source": str(tmp_path / "labels.csv")})
    assert all(isinstance(u, Utterance) and u.is_cut for u in source.utterances)
    assert numbers(source) == (16, 2)


def test_a_corpus_by_name_is_read_with_the_settings_that_its_scan_takes(emodb):
    source = read_recipe("Corpora/hparams/emodb.yaml", str(emodb), labels=["angry", "sad"])
    assert source.name == "emodb" and len(source.utterances) == 30
    assert source.examples["count"] == ["emodb, angry: 15 of 127", "emodb, sad: 15 of 62"]
