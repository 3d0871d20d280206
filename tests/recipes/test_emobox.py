"""EmoBox: both forms of its files, its folds, labels and reduced test sets, and what it reports."""

import json
import shutil
from pathlib import Path

import pytest

from camser.data.folds import SHARED_SPEAKERS, make_folds
from camser.data.prepare import CorpusError, prepare
from camser.evaluation.report.collect import collect
from camser.evaluation.report.tables import Table
from camser.evaluation.report.write import tables_to_markdown
from tests.helpers import emodb_forms as forms
from tests.helpers.recipe_runs import ROOT, close_logs, load_module, start_run
from tests.helpers.run_files import make

LABELS = ["angry", "happy", "neutral", "sad"]


@pytest.fixture(scope="module")
def emobox():
    return load_module("recipes/EmoBox/emobox_prepare.py")


@pytest.fixture
def clone(tmp_path):
    """A clone with EmoDB's metadata and recordings, whose paths begin with downloads/emodb."""
    root = tmp_path / "clone"
    forms.write_corpus(root)
    rewrite(forms.write_emobox(root), lambda row: row | {"wav": f"downloads/emodb/{row['wav']}"})
    (root / "downloads/emodb").mkdir(parents=True)
    (root / "wav").rename(root / "downloads/emodb/wav")
    (root / "data/emodb/label_map.json").write_text(json.dumps({"Angry": "Anger", "sad": "Sad"}))
    return root


def rewrite(folder, change):
    """Change every row of the metadata."""
    for path in folder.rglob("*.jsonl"):
        rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows if row))


def test_a_corpus_has_its_labels_speakers_and_folds(emobox, clone):
    found = emobox.scan(clone, str(clone), "emodb")
    assert not found.problems and not found.warnings and len(found.utterances) == 60
    first = found.utterances[0]
    assert (first.id, first.path) == ("emodb/emodb-03a01Fa", "downloads/emodb/wav/03a01Fa.wav")
    assert (first.speaker, first.gender, first.text) == ("emodb/03", "male", "a01")
    assert {u.emotion for u in found.utterances} == {*LABELS}
    folds = make_folds(found.utterances, "given_shared", "none")
    assert [fold.name for fold in folds] == [f"fold_{n}" for n in range(1, 6)]
    assert {fold.shared_speakers for fold in folds} == {5}
    with pytest.raises(ValueError, match="speakers in train and test"):
        make_folds(found.utterances, "given", "none")


def test_its_other_form_and_the_names_without_the_second_underscore_say_the_same(emobox, clone):
    before = emobox.scan(clone, str(clone), "emodb").utterances
    rename = {"wav": "audio", "emo": "label"}
    rewrite(clone / "data", lambda row: {rename.get(key, key): row[key] for key in row})
    for path in (clone / "data/emodb").glob("fold_*/*_fold_*"):
        path.rename(path.with_name(path.name.replace("_fold_", "_fold")))
    assert emobox.scan(clone, str(clone), "emodb").utterances == before


def test_recordings_are_found_by_their_names_in_any_folder_and_format(emobox, clone, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(clone / "downloads/emodb/wav", mine / "German/WAV")
    for path in (mine / "German/WAV").iterdir():
        path.rename(path.with_suffix(".FLAC"))
    shutil.copytree(mine / "German/WAV", mine / "other")
    found = emobox.scan(mine, str(clone), "emodb")
    assert {str(Path(u.path).parent) for u in found.utterances} == {"German/WAV"}
    shutil.rmtree(clone / "downloads")
    with pytest.raises(CorpusError) as caught:
        prepare(emobox.scan, clone, tmp_path / "p", LABELS, {}, emobox=str(clone), corpus="emodb",
                target_corpus=None)  # fmt: skip
    missing = f"{clone}/downloads/emodb/wav/03a01Fa.wav and 59 more: there is no such file"
    assert missing in str(caught.value)


def test_a_corpus_of_one_fold_is_divided_as_its_files_say(emobox, clone):
    data = clone / "data/emodb"
    (data / "fold_2/emodb_test_fold_2.jsonl").rename(data / "fold_1/emodb_valid_fold_1.jsonl")
    for number in range(2, 6):
        shutil.rmtree(data / f"fold_{number}")
    lines = (data / "fold_1/emodb_valid_fold_1.jsonl").read_text().splitlines()
    valid = [json.loads(line)["key"] for line in lines]
    train = data / "fold_1/emodb_train_fold_1.jsonl"
    rows = [line for line in train.read_text().splitlines() if json.loads(line)["key"] not in valid]
    train.write_text("\n".join(rows))
    (data / "emodb.jsonl").unlink()
    found = emobox.scan(clone, str(clone), "emodb").utterances
    (fold,) = make_folds(found, "given_shared")
    assert [len(part) for part in (fold.train, fold.valid, fold.test)] == [36, 12, 12]


def test_speakers_of_other_corpora_are_those_of_the_list_of_segments(emobox, clone):
    (clone / "data/emodb").rename(clone / "data/other")
    (clone / "data/other/emodb.jsonl").rename(clone / "data/other/other.jsonl")
    found = emobox.scan(clone, str(clone), "other").utterances
    assert {u.speaker for u in found} == {""}
    lines = [f"{u.id[6:]} 1 x 0 1 <id={u.id[6:]},lang=de,spk=male_{u.id[12:14]}> x" for u in found]
    (clone / "data/other/data.seg.wrd.stm").write_text("\n".join(lines))
    found = emobox.scan(clone, str(clone), "other").utterances
    assert {u.speaker for u in found} == {f"other/male_{n}" for n in ("03", "08", "09", "10", "11")}


def test_a_fold_that_trains_on_less_is_told(emobox, clone):
    path = clone / "data/emodb/fold_3/emodb_train_fold_3.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    (warning,) = emobox.scan(clone, str(clone), "emodb").warnings
    assert warning.endswith("fold_3: its training file differs from all that is not tested")


def test_the_reduced_test_set_of_another_corpus_is_tested(emobox, clone, tmp_path):
    wav = clone / "downloads/savee"
    for speaker in ("DC", "JK"):
        for name in ("a01", "sa01", "h01", "n01"):
            forms_file = wav / f"{speaker}_{name}.wav"
            forms_file.parent.mkdir(exist_ok=True)
            shutil.copy(next((clone / "downloads/emodb/wav").iterdir()), forms_file)
    data = clone / "data/savee"
    (data / "fold_1").mkdir(parents=True)
    emotions = {"a": "anger", "sa": "sadness", "h": "happy", "n": "neutral"}
    rows = [
        {"key": p.stem, "wav": f"downloads/savee/{p.name}", "emo": p.stem[3:-2]}
        for p in sorted(wav.iterdir())
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (data / "fold_1/savee_test_fold_1.jsonl").write_text(text)
    (data / "label_map.json").write_text(json.dumps(emotions | {"sa": "Sad"}))
    (clone / "data/track2").mkdir()
    selected = [{"wav_filename": f"DC/{n}01.wav", "label": e, "speaker": "DC"}
                for n, e in (("a", "angry"), ("sa", "sad"), ("h", "happy"))]  # fmt: skip
    selected.append({"wav_filename": "KL/a01.wav", "label": "angry", "speaker": "KL"})
    path = clone / "data/track2/SAVEE_selected_balenced.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in selected))
    found = emobox.scan(clone, str(clone), "emodb", "savee")
    assert found.warnings == ["savee, KL/a01.wav: is no recording of the metadata"]
    (fold,) = make_folds(found.utterances, "cross_corpus", "none", target_corpus="savee")
    assert [u.id for u in fold.test] == ["savee/DC_a01", "savee/DC_sa01", "savee/DC_h01"]
    assert len(fold.train) == 60
    arguments = [f"--emobox={clone}", "--corpus=emodb", "--target_corpus=savee"]
    assert emobox.add_labels(arguments)[-1] == "--labels=[angry, happy, sad]"
    with pytest.raises(CorpusError, match=r"no reduced test set of 'emodb'; it has: savee"):
        emobox.scan(clone, str(clone), "emodb", "emodb")


def test_a_copy_that_was_cut_is_told(emobox, clone):
    rewrite(clone / "data", lambda row: row | {"length": 9.0 if "03a01" in row["key"] else 0.15})
    first, *others = emobox.scan(clone, str(clone), "emodb").warnings
    assert len(others) == 3 and " s for 9.00 s: is not as long as EmoBox's recording" in first


def test_labels_are_those_of_the_corpus_unless_they_are_given(emobox, clone):
    arguments = ["a.yaml", f"--emobox={clone}", "--corpus=emodb"]
    labels = "--labels=[angry, happy, neutral, sad]"
    assert emobox.add_labels(arguments) == [*arguments, labels]
    for unchanged in ([*arguments, "--labels=[sad]"], arguments[:2], []):
        assert emobox.add_labels(unchanged) == unchanged
    with pytest.raises(SystemExit, match=r"^error: .*no corpus 'emo'; it has: emodb. Did you mean"):
        emobox.add_labels([f"--emobox={clone}", "--corpus=emo"])


def test_what_is_no_clone_is_told(emobox, tmp_path):
    with pytest.raises(CorpusError, match="'emodb'; it is no clone of EmoBox's repository"):
        emobox.scan(tmp_path, str(tmp_path), "emodb")


def test_a_run_says_that_speakers_are_shared(emobox, clone, tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(
        f"include: [{ROOT}/recipes/EmoBox/hparams/camser.yaml, {ROOT}/tests/hparams/tiny.yaml]\n"
    )
    options = [f"--emobox={clone}", "--corpus=emodb", "--selection=none"]
    job = start_run(emobox.scan, clone, tmp_path / "p", tmp_path / "run", *options, recipe=recipe)
    close_logs()
    assert job.brain.note == SHARED_SPEAKERS and job.fold.shared_speakers == 5


def test_the_report_stands_beside_what_is_published(tmp_path):
    report = load_module("recipes/EmoBox/report.py")
    for fold in range(3):
        where = {"corpus": "emodb", "selection": "none", "num_protocol_folds": 3, "fold": fold}
        more = {"fold_name": f"fold_{fold}", "shared_speakers": 10}
        make(tmp_path, "logistic", protocol="given_shared", skill=1.0, more=more, **where)
        make(tmp_path, "logistic", protocol="speaker_k_fold", skill=0.5, num_folds=3, **where)
    published = {
        "source": "S",
        "emodb": {"classes": 7, "scores": {"Whisper": {"UA": 91.26, "WA": 92.43}}},
    }
    summary, folds = report.tables(collect([tmp_path]), published)
    assert "emodb, 4 classes" in summary.caption
    assert "The published scores are of 7 classes: they cannot be compared." in summary.caption
    assert "Shared speakers are worth +" in summary.caption
    assert summary.rows[0] == ["logistic", "published", "10", "100.0 ± 0.0", "100.0 ± 0.0",
                               "100.0 ± 0.0"]  # fmt: skip
    assert summary.rows[1][:3] == ["logistic", "speaker k fold", "0"]
    assert summary.rows[2] == ["Whisper, 7 classes, S", "published", "10", "91.3", "92.4", "–"]
    assert [row[:6] for row in folds.rows[:2]] == [
        ["logistic", "published", f"fold_{n}", "9", "12", "10"] for n in range(2)
    ]


def test_the_readme_has_the_scores_of_its_file():
    folder = ROOT / "recipes/EmoBox"
    found = json.loads((folder / "results/scores.json").read_text(encoding="utf-8"))
    expected = tables_to_markdown([Table(**table) for table in found])
    marks = load_module("recipes/EmoBox/report.py").MARKS
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert marks.search(readme)[0] == f"<!-- emobox -->\n{expected}<!-- end -->"
