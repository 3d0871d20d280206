"""A table to a tested and exported model: with spans in one file, with splits, without speakers."""

import numpy as np
import pytest
import soundfile

from camser.audio import load
from camser.data.folds import UNKNOWN_SPEAKERS
from camser.data.tables.read import read_table
from camser.evaluation import results
from camser.export.export_run import export_run
from camser.inference.export_config import read_config
from tests.helpers.recipe_runs import start_run

CHEAP = ("--modalities=[mfcc]", "--fusion=concat", "--labels=[down, up]", "--merge_labels={}")


@pytest.fixture
def go(tmp_path):
    """Read a table, train a tiny run on it, and test it."""

    def run(rows, *overrides):
        (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
        table = read_table(tmp_path / "labels.csv")
        where = table, table.data_folder, tmp_path / "prepared", tmp_path / "run"
        job = start_run(*where, *CHEAP, "--corpus=labels", *overrides)
        job.train()
        job.test()
        return job, results.read_results(tmp_path / "run/results.json")

    return run


@pytest.fixture
def long(tmp_path):
    """Tones in one file, a second each."""
    time = np.arange(16000) / 16000
    tones = [0.3 * np.sin(2 * np.pi * (200 + 400 * (n % 2)) * time) for n in range(30)]
    soundfile.write(tmp_path / "long.wav", np.concatenate(tones), 16000)
    return tmp_path


def test_utterances_of_one_file_are_trained_tested_exported_and_verified(long, go):
    rows = [f"long.wav,{['down', 'up'][n % 2]},{n % 6},{n},{n + 1}" for n in range(30)]
    job, found = go(["file,emotion,speaker,start,end", *rows], "--protocol=leave_one_speaker_out")
    assert found["parts"] == {"train": 20, "valid": 5, "test": 5} and found["speakers_known"]
    predicted = results.read_predictions(job.output_folder / results.PREDICTIONS)
    assert predicted[0]["id"] == "labels/long.wav:0.0-1.0"
    assert {row["seconds"] for row in predicted} == {"1.0"}
    config = read_config(export_run(job.output_folder, long / "export"))
    assert config["verified"]["utterances"] == 5
    whole = load(long / "long.wav")
    for u in job.utterances:
        start = round(16000 * u.start)
        assert (job.data.audio.waveform(u).numpy() == whole[start : start + 16000]).all()


def test_without_speakers_one_file_cannot_be_divided(long, go):
    rows = [f"long.wav,{['down', 'up'][n % 2]},{n},{n + 1}" for n in range(30)]
    with pytest.raises(ValueError, match="num_folds is 5; allowed: 3 up to the 1 files"):
        go(["file,emotion,start,end", *rows], "--protocol=speaker_k_fold", "--num_folds=5")


def test_the_tables_own_splits_are_used(long, go):
    for n in range(30):
        soundfile.write(long / f"{n}.wav", np.full(4000, 0.01 * n), 16000)
    split = ["train"] * 18 + ["dev"] * 6 + ["test"] * 6
    rows = [f"{n}.wav,{['down', 'up'][n % 2]},{split[n]}" for n in range(30)]
    _, found = go(["file,emotion,split", *rows], "--protocol=given")
    assert found["parts"] == {"train": 18, "valid": 6, "test": 6}
    assert found["fold_name"] == "given" and found["note"] == UNKNOWN_SPEAKERS
