"""The same recordings in each form that is read: the same manifest, but for what it cannot say."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from camser.data.folds import make_folds
from camser.data.prepare import prepare
from camser.data.tables.columns import TableError
from camser.data.tables.read import read_table, recognize
from tests.helpers import emodb_forms as forms


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forms") / "emodb"
    forms.write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def expected(corpus):
    """The utterances of the recipe's own scanner, as a table says them."""
    found = forms.EMODB.scan(corpus).utterances
    rows = [replace(u, style="", id=f"emodb/{u.path}") for u in found]
    return sorted(rows, key=lambda u: u.path)


@pytest.fixture
def own(corpus, tmp_path):
    """A copy to write into."""
    return shutil.copytree(corpus, tmp_path / "emodb")


def by_name(rows):
    """Forms that move recordings keep the names of the files."""
    named = [replace(u, id=Path(u.path).name, path=Path(u.path).name) for u in rows]
    return sorted(named, key=lambda u: u.path)


def without(rows, **unknown):
    return [replace(u, **unknown) for u in rows]


ALL = {
    "CSV": (forms.write_csv, "table"),
    "TSV": (lambda folder: forms.write_csv(folder, "labels.tsv", "\t"), "table"),
    "CSV with semicolons": (lambda f: forms.write_csv(f, delimiter=";"), "table"),
    "CSV of UTF-8 with a mark": (lambda f: forms.write_csv(f, encoding="utf-8-sig"), "table"),
    "CSV of UTF-16": (lambda f: forms.write_csv(f, encoding="utf-16"), "table"),
    "JSON lines": (forms.write_json_lines, "table"),
    "Parquet": (forms.write_parquet, "parquet"),
    "SpeechBrain's JSON": (forms.write_speechbrain_json, "table"),
    "SpeechBrain's CSV": (forms.write_speechbrain_csv, "table"),
    "Kaldi": (forms.write_kaldi, "kaldi"),
    "audformat": (forms.write_audformat, "audformat"),
}
NEEDS = {"Parquet": "pyarrow", "audformat": "audformat"}


@pytest.mark.parametrize("form", ALL)
def test_forms_that_say_all_give_the_same_manifest(form, own, expected):
    if form in NEEDS:
        pytest.importorskip(NEEDS[form])
    write, kind = ALL[form]
    source = write(own)
    assert recognize(source) == kind
    table = read_table(source, corpus="emodb")
    assert table.utterances == expected
    assert table.data_folder == own.resolve() and table.speakers_known


def test_a_folder_of_folders_says_emotions_alone(corpus, expected, tmp_path):
    source = forms.write_folders(corpus, tmp_path / "folders")
    assert recognize(source) == "folders"
    found = read_table(source, corpus="emodb").utterances
    assert by_name(found) == by_name(without(expected, speaker="", gender="", text=""))
    assert all(u.path == f"{u.emotion}/{Path(u.path).name}" for u in found)


@pytest.mark.parametrize("keys", [("wav", "emo"), ("audio", "label")])
def test_emobox_says_emotions_and_folds_in_both_of_its_forms(keys, own, expected):
    source = forms.write_emobox(own, keys)
    assert recognize(source) == "emobox"
    found = read_table(source).utterances
    assert without(found, split="") == without(expected, speaker="", gender="", text="")
    folds = make_folds(found, "given")
    assert [fold.name for fold in folds] == [f"fold_{n}" for n in range(1, 6)]
    assert sum(len(fold.test) for fold in folds) == len(found)
    one = source / "fold_1/emodb_test_fold_1.jsonl"
    assert len(read_table(one, folder=own).utterances) == len(folds[0].test)


def test_an_audio_folder_of_datasets_says_all(corpus, expected, tmp_path):
    source = forms.write_audio_folder(corpus, tmp_path / "emodb")
    assert recognize(source) == "audio_folder"
    table = read_table(source)
    assert table.utterances == expected and table.data_folder == source.resolve()


def write_by_pyarrow(rows, folder):
    """What ``datasets`` writes, with its description of the columns."""
    pyarrow = pytest.importorskip("pyarrow")
    labels = sorted({row["emotion"] for row in rows})
    features = {
        "audio": {"_type": "Audio"},
        "emotion": {"names": labels, "_type": "ClassLabel"},
        **{name: {"dtype": "string", "_type": "Value"} for name in ("speaker", "gender", "text")},
    }
    content = [
        {
            "audio": {"bytes": (folder / row["file"]).read_bytes(), "path": Path(row["file"]).name},
            **row,
            "emotion": labels.index(row["emotion"]),
        }
        for row in rows
    ]
    table = pyarrow.Table.from_pylist(content).drop_columns(["file"])
    return table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def write_by_datasets(rows, folder):
    datasets = pytest.importorskip("datasets")
    return datasets.Dataset(write_by_pyarrow(rows, folder))


@pytest.mark.parametrize("write", [write_by_pyarrow, write_by_datasets])
def test_parquet_of_datasets_holds_the_recordings_which_are_written_once(
    write, own, expected, tmp_path
):
    parquet = pytest.importorskip("pyarrow.parquet")
    source = tmp_path / "set/emodb.parquet"
    source.parent.mkdir()
    content = write(forms.rows(own), own)
    if write is write_by_datasets:
        content.to_parquet(str(source))
    else:
        parquet.write_table(content, source)
    assert recognize(source) == "parquet"
    with pytest.raises(TableError, match="its audio is in no file; give audio_folder"):
        read_table(source)
    audio = tmp_path / "audio"
    for place in (source, source.parent):
        found = read_table(place, corpus="emodb", audio_folder=audio).utterances
        assert by_name([replace(u, path=u.path.split("-", 2)[2]) for u in found]) == by_name(
            expected
        )
        assert len(list(audio.iterdir())) == len(expected)
    times = [path.stat().st_mtime_ns for path in sorted(audio.iterdir())]
    assert read_table(source, corpus="emodb", audio_folder=audio).utterances == found
    assert times == [path.stat().st_mtime_ns for path in sorted(audio.iterdir())]


def test_what_datasets_saved_to_disk_is_read_with_its_splits(own, expected, tmp_path):
    datasets = pytest.importorskip("datasets")
    parts = {"train": forms.rows(own)[::2], "test": forms.rows(own)[1::2]}
    content = {name: write_by_datasets(part, own) for name, part in parts.items()}
    datasets.DatasetDict(content).save_to_disk(str(tmp_path / "saved"))
    assert recognize(tmp_path / "saved") == "parquet"
    found = read_table(tmp_path / "saved", audio_folder=tmp_path / "audio").utterances
    assert {u.split for u in found} == {"train", "test"} and len(found) == len(expected)


def test_a_name_on_the_hub_is_the_folder_that_the_hub_gives(
    corpus, expected, tmp_path, monkeypatch
):
    folder = forms.write_audio_folder(corpus, tmp_path / "emodb")
    asked = []

    def give(name, repo_type):
        asked.append((name, repo_type))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    found = read_table("somebody/emodb", corpus="emodb").utterances
    assert found == expected and asked == [("somebody/emodb", "dataset")]


@pytest.mark.parametrize("name", ["absent", "absent.csv", "sub/absent.csv", "/no/such/folder"])
def test_a_path_that_is_nowhere_is_one_message(name):
    with pytest.raises(TableError, match=f"^{name}: there is no such file or folder$"):
        read_table(name)


def test_a_name_that_the_hub_does_not_have_is_one_message(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = "as a data set of the Hugging Face hub it cannot be fetched"
    with pytest.raises(
        TableError, match=f"some/body: there is no such file or folder, and {message}"
    ):
        read_table("some/body")


def test_folders_of_splits_hold_folders_of_classes(corpus, tmp_path):
    source = tmp_path / "splits"
    for number, row in enumerate(forms.rows(corpus)):
        split = ("train", "validation", "test")[number % 3]
        target = source / split / row["emotion"] / Path(row["file"]).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(corpus / row["file"], target)
    table = read_table(source)
    assert recognize(source) == "folders"
    assert {u.split for u in table.utterances} == {"train", "valid", "test"}
    assert set(table.labels) == {row["emotion"] for row in forms.rows(corpus)}


def test_spans_are_the_same_in_each_form_that_has_them(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(80000), 8000)
    spans = {"a": (0.5, 1.25, "sad"), "b": (1.25, 2.0, "sad"), "c": (2.0, 4.5, "up"),
             "d": (5.0, 9.0, "up")}  # fmt: skip
    lines = [f"long.wav,{start},{end},{emotion}" for start, end, emotion in spans.values()]
    (tmp_path / "a.csv").write_text("\n".join(["file,start,end,emotion", *lines]))
    json_rows = [
        f'"{k}": {{"wav": {{"file": "long.wav", "start": {8000 * start}, "stop": {8000 * end}}}, '
        f'"emo": "{emotion}"}}'
        for k, (start, end, emotion) in spans.items()
    ]
    (tmp_path / "a.json").write_text(f"{{{', '.join(json_rows)}}}")
    kaldi = tmp_path / "kaldi"
    kaldi.mkdir()
    (kaldi / "wav.scp").write_text(f"rec {tmp_path / 'long.wav'}\n")
    segments = [f"{k} rec {start} {end}" for k, (start, end, _) in spans.items()]
    (kaldi / "segments").write_text("\n".join(segments))
    (kaldi / "text").write_text("".join(f"{k} {span[2]}\n" for k, span in spans.items()))
    (kaldi / "utt2spk").write_text("".join(f"{k} {k}\n" for k in spans))
    tables = [read_table(tmp_path / "a.csv"), read_table(tmp_path / "a.json")]
    tables.append(read_table(kaldi, corpus="a"))
    assert tables[0].utterances == tables[1].utterances == tables[2].utterances
    assert tables[0].utterances[1].id == "a/long.wav:1.25-2.0"
    assert not tables[2].speakers_known and tables[2].data_folder == tmp_path.resolve()
    prepared = prepare(tables[0], tables[0].data_folder, tmp_path / "prepared", ["sad", "up"], {})
    assert [u.seconds for u in prepared.utterances] == [0.75, 0.75, 2.5, 4.0]


def test_segments_of_audformat_and_their_split(tmp_path):
    audformat = pytest.importorskip("audformat")
    pd = pytest.importorskip("pandas")
    soundfile.write(tmp_path / "long.wav", np.zeros(80000), 8000)
    database = audformat.Database("d")
    for split in ("train", "dev", "test"):
        database.splits[split] = audformat.Split(split)
    for number, split in enumerate(("train", "dev", "test")):
        index = audformat.segmented_index(
            ["long.wav"] * 2,
            [f"{3 * number}s", f"{3 * number + 1}s"],
            [f"{3 * number + 1}s", pd.NaT],
        )
        table = database[f"mood.{split}"] = audformat.Table(index, split_id=split)
        table["mood"] = audformat.Column()
        table["mood"].set(["up", "down"])
    database.save(str(tmp_path))
    with pytest.raises(TableError, match="no column is known to be the emotion; its tables are"):
        read_table(tmp_path)
    found = read_table(tmp_path, columns={"emotion": "mood"}).utterances
    assert [(u.start, u.end, u.emotion, u.split) for u in found] == [
        (0.0, 1.0, "up", "train"), (1.0, None, "down", "train"), (3.0, 4.0, "up", "valid"),
        (4.0, None, "down", "valid"), (6.0, 7.0, "up", "test"), (7.0, None, "down", "test"),
    ]  # fmt: skip


def test_files_that_are_named_after_splits_are_one_table(own):
    rows = forms.rows(own)
    for name, part in (("train", rows[::2]), ("dev", rows[1::4]), ("test", rows[3::4])):
        lines = [f"{row['file']},{row['emotion']}" for row in part]
        (own / f"{name}.csv").write_text("\n".join(["file,label", *lines]))
    assert recognize(own) == "tables"
    found = read_table(own).utterances
    assert len(found) == len(rows)
    assert sum(u.split == "valid" for u in found) == len(rows[1::4])
