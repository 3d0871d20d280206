"""A small corpus with EmoDB's names, written in each form that ``read_table`` reads."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import soundfile

from tests.helpers.recipe_runs import load_module

EMODB = load_module("recipes/EmoDB/emodb_prepare.py")
COLUMNS = ("file", "emotion", "speaker", "gender", "text")


def write_corpus(folder):
    """60 recordings; real ones, all of them, where the variable CAMSER_EMODB names their folder."""
    if own := os.environ.get("CAMSER_EMODB"):
        shutil.copytree(Path(own) / "wav", folder / "wav")
        return
    (folder / "wav").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for speaker in ("03", "08", "09", "10", "11"):
        for text in ("a01", "a02", "b01"):
            for emotion in "WFTN":
                path = folder / f"wav/{speaker}{text}{emotion}a.wav"
                soundfile.write(path, rng.normal(0, 0.1, 1600 + rng.integers(1600)), 16000)


def rows(folder):
    """What the names say, by file."""
    return [
        {
            "file": u.path,
            "emotion": u.emotion,
            "speaker": u.speaker.split("/")[1],
            "gender": u.gender,
            "text": u.text,
        }
        for u in EMODB.scan(folder).utterances
    ]


def write_csv(folder, name="labels.csv", delimiter=",", encoding="utf-8"):
    with open(folder / name, "w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows(folder)[::-1])
    return folder / name


def write_json_lines(folder):
    lines = [json.dumps(row) for row in rows(folder)]
    (folder / "labels.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "labels.jsonl"


def write_parquet(folder):
    import pyarrow
    import pyarrow.parquet

    path = folder / "labels.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows(folder)), path)
    return path


def write_folders(folder, place):
    for row in rows(folder):
        target = place / row["emotion"] / Path(row["file"]).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / row["file"], target)
    return place


def write_audio_folder(folder, place):
    """As ``datasets`` reads it: recordings and metadata.csv."""
    shutil.copytree(folder / "wav", place / "wav")
    with open(place / "metadata.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", *COLUMNS[1:]])
        writer.writerows(row.values() for row in rows(folder))
    return place


def write_audformat(folder):
    import audformat
    import pandas as pd

    found = rows(folder)
    database = audformat.Database("emodb")
    genders = {row["speaker"]: {"gender": row["gender"]} for row in found}
    database.schemes["speaker"] = audformat.Scheme(labels=genders)
    database.schemes["emotion"] = audformat.Scheme(labels=sorted({r["emotion"] for r in found}))
    database.schemes["transcription"] = audformat.Scheme("str")
    index = audformat.filewise_index([row["file"] for row in found])
    files = database["files"] = audformat.Table(index)
    for name, scheme in (("speaker", "speaker"), ("transcription", "transcription")):
        files[name] = audformat.Column(scheme_id=scheme)
        key = "text" if name == "transcription" else name
        files[name].set(pd.Series([row[key] for row in found], index))
    emotions = database["emotion"] = audformat.Table(index)
    emotions["emotion"] = audformat.Column(scheme_id="emotion")
    emotions["emotion"].set(pd.Series([row["emotion"] for row in found], index))
    database.save(str(folder))
    return folder


def write_speechbrain_json(folder):
    """With the whole file as a span of samples, as some of its recipes write."""
    content = {
        Path(row["file"]).stem: {
            "wav": f"{{data_root}}/{row['file']}",
            "length": 1.0,
            "emo": row["emotion"],
            "spk_id": row["speaker"],
            "gender": row["gender"],
            "wrd": "",
            "text": row["text"],
        }
        for row in rows(folder)
    }
    (folder / "emodb.json").write_text(json.dumps(content))
    return folder / "emodb.json"


def write_speechbrain_csv(folder):
    lines = ["ID,duration,wav,wav_format,wav_opts,emo,spk_id,gender,text"]
    for row in rows(folder):
        name = Path(row["file"]).stem
        known = f"{row['emotion']},{row['speaker']},{row['gender']},{row['text']}"
        lines.append(f"{name},1.0,$data_root/{row['file']},wav,,{known}")
    (folder / "emodb_sb.csv").write_text("\n".join(lines) + "\n")
    return folder / "emodb_sb.csv"


def write_kaldi(folder):
    tables = {name: [] for name in ("wav.scp", "utt2spk", "utt2emo", "text", "spk2gender")}
    for row in rows(folder):
        name = Path(row["file"]).stem
        tables["wav.scp"].append(f"{name} {row['file']}")
        tables["utt2spk"].append(f"{name} {row['speaker']}")
        tables["utt2emo"].append(f"{name} {row['emotion']}")
        tables["text"].append(f"{name} {row['text']}")
        tables["spk2gender"].append(f"{row['speaker']} {row['gender'][0]}")
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(dict.fromkeys(lines)) + "\n")
    return folder


def write_emobox(folder, keys=("wav", "emo")):
    """As ``data/emodb`` of its repository, with five folds; recordings are below the root."""
    place = folder / "data/emodb"
    place.mkdir(parents=True)
    lines = [
        {"key": f"emodb-{Path(row['file']).stem}", "dataset": "emodb", keys[0]: row["file"],
         "sample_rate": 16000, "task": "category", keys[1]: row["emotion"]}
        for row in rows(folder)
    ]  # fmt: skip
    _write_lines(place / "emodb.jsonl", lines)
    for fold in range(1, 6):
        test = lines[fold - 1 :: 5]
        _write_lines(place / f"fold_{fold}/emodb_test_fold_{fold}.jsonl", test)
        train = [line for line in lines if line not in test]
        _write_lines(place / f"fold_{fold}/emodb_train_fold_{fold}.jsonl", train)
    return place


def _write_lines(path, lines):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
