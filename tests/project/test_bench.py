"""The measurements: their arithmetic, their baseline's size, their page, and that they run."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from tests.encoders.test_whisper import whisper_model
from tests.helpers.recipe_runs import ROOT

sys.path.insert(0, str(ROOT / "bench"))  # its scripts import each other as they do when they run

import baselines
import calibration
import gpu_profile
from harness import (
    camser_model,
    flops,
    measurement,
    noise_corpus,
    plain_pytorch,
    profile_parts,
    simulated_calibration,
    tables,
)

from camser.data.prepare import prepare
from camser.encoders.whisper import Whisper
from camser.evaluation.report.collect import collect
from camser.export.calibration import MIN_UTTERANCES, PRIOR_DEVIATION

SCRIPTS = (
    "peak_flops", "features", "training", "epoch", "inference", "startup", "memory", "callers",
)  # fmt: skip


def test_a_ratio_is_the_median_over_rounds_not_the_ratio_of_medians():
    # The machine is twice as slow in the second round, and all candidates with it.
    times = {"ours": [1.0, 2.0, 1.5], "theirs": [3.0, 6.0, 3.0]}
    assert measurement.ratios(times, "theirs") == {"ours": 3.0, "theirs": 1.0}
    ours, _ = measurement.rows(times, "theirs")
    assert (ours["median ms"], ours["least ms"]) == (1500, 1000)


def test_candidates_take_turns_and_warm_ups_are_not_told():
    called, told = [], iter([9.0, 0.5, 0.25])

    def measured():
        called.append("a")
        return next(told)

    found = measurement.rounds({"a": measured, "b": lambda: called.append("b")}, 2)
    assert found["a"] == [0.5, 0.25] and len(found["b"]) == 2
    assert called == ["b", "a", "a", "b", "b", "a"]


def test_the_machine_is_told_without_its_name_or_paths():
    told = json.dumps(measurement.machine())
    assert {"processor", "cores", "threads", "memory GB", "torch"} <= set(json.loads(told))
    assert "/" not in json.loads(told)["processor"] and str(ROOT) not in told


@pytest.mark.parametrize("size", camser_model.SIZES)
def test_the_plain_model_is_as_large_as_ours(size, monkeypatch):
    # No weight is drawn. torchaudio would look at its filters' values, for a warning.
    filters = lambda *args, **kwargs: torch.zeros(1, 1)  # noqa: E731
    monkeypatch.setattr(torchaudio.functional, "melscale_fbanks", filters)
    with torch.device("meta"):
        ours, theirs = (
            camser_model.modules(size),
            plain_pytorch.Plain(**camser_model.plain_sizes(size)),
        )
    assert plain_pytorch.check_same_size(theirs, *ours.values()) > 1_000_000
    with pytest.raises(ValueError, match="the plain model has 4 parameters, camser's 2"):
        plain_pytorch.check_same_size(torch.nn.Linear(3, 1), torch.nn.Linear(1, 1))


def test_an_lstm_is_counted_with_its_model():
    lstm = torch.nn.LSTM(3, 5, batch_first=True, bidirectional=True)
    # Four gates of five units, of three inputs and five states; each weight multiplies and adds.
    assert flops.lstm_flops(lstm, torch.zeros(1, 7, 3)) == 2 * 7 * 2 * 4 * 5 * (3 + 5)


def test_the_corpus_has_iemocaps_lengths():
    lengths = noise_corpus.iemocap_lengths()
    assert len(lengths) == 5531
    assert lengths.sum() / 3600 == pytest.approx(6.99, rel=0.01)
    assert lengths.min() == pytest.approx(0.6, abs=0.2)
    assert lengths.max() == pytest.approx(34, abs=1)
    assert np.mean(noise_corpus.iemocap_lengths(100)) == pytest.approx(lengths.mean(), rel=0.02)


def test_the_corpus_is_one_that_a_recipe_takes(tmp_path):
    noise_corpus.write_corpus(tmp_path / "corpus", [0.1] * 40)
    found, _ = prepare(noise_corpus.scan, tmp_path / "corpus", tmp_path, noise_corpus.EMOTIONS, {})
    assert {(u.speaker, u.emotion) for u in found} == {
        (f"noise/{speaker}", emotion)
        for speaker in noise_corpus.SPEAKERS
        for emotion in noise_corpus.EMOTIONS
    }


def test_numbers_have_three_digits():
    cells = {0.0512: "0.051", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 4321.0: "4321", 5: "5"}
    assert {value: tables.cell(value) for value in cells} == cells


def test_a_page_gets_the_tables_of_its_files(tmp_path):
    report = {"tables": {"step": [{"what": "ours", "ms": 1.5}, {"what": "theirs", "ms": None}]}}
    (tmp_path / "training-cpu.json").write_text(json.dumps(report))
    page = (
        "<!-- training-cpu: step -->\nold\n<!-- end -->\n<!-- training-gpu: step -->\n<!-- end -->"
    )
    found = tables.filled(page, tmp_path)
    assert "| ours   | 1.50 |" in found and "old" not in found
    assert "Not measured yet; run `make bench-gpu`." in found
    assert tables.filled(found, tmp_path) == found


@pytest.mark.parametrize(
    "path",
    [
        "docs/speed.md", "docs/calibration.md", "docs/published_system.md", "docs/recordings.md",
        "docs/corpus_copies.md", "docs/how_to/use_a_model.md",
        "examples/plugins/camser-rivals/README.md",
    ],
)  # fmt: skip
def test_a_page_says_what_was_measured(path):
    page = (ROOT / path).read_text(encoding="utf-8")
    assert tables.filled(page) == page, f"run: python bench/harness/tables.py {path}"


def test_the_chosen_prior_never_loses_in_the_simulation():
    found = json.loads((tables.RESULTS / "calibration.json").read_text())["tables"]
    rows = [r for r in found["simulation"] if r["validation rows"] >= MIN_UTTERANCES]
    assert rows and all(float(row[f"s = {PRIOR_DEVIATION:g}"]) > 0 for row in rows)
    assert not all(float(row["s = 0.35"]) > 0 for row in rows)  # the next larger one


def test_the_simulation_is_the_same_each_time(monkeypatch):
    monkeypatch.setattr(simulated_calibration, "SIZES", (30,))
    first, again = (simulated_calibration.rows(2) for _ in range(2))
    assert first == again and len(first) == len(simulated_calibration.SCENARIOS)


def test_the_study_reads_finished_runs(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(simulated_calibration, "SIZES", ())
    output = tmp_path / "found.json"
    calibration.main([str(trained.output_folder), "--draws=1", "--output", str(output)])
    found = json.loads(output.read_text())["each run"]
    (run,) = found
    assert run["validation rows"] < MIN_UTTERANCES
    assert run["methods"]["as exported"] == run["methods"]["T = 1"]
    assert run["methods"]["maximum likelihood"]["T"] != 1


def tables_of(name):
    path = ROOT / f"bench/results/{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["tables"]


@pytest.mark.slow
def test_the_published_system_is_measured_on_any_folders(tmp_path):
    rng = np.random.default_rng(0)
    for number, seconds in enumerate((0.7, 4.0, 7.5)):
        samples = rng.normal(0, 0.1, round(seconds * 16000))
        soundfile.write(tmp_path / f"{number}.wav", samples, 16000)
    output = tmp_path / "found.json"
    command = [sys.executable, ROOT / "bench/published_system.py", "--output", output]
    subprocess.run(
        [*command, "--emodb", tmp_path, "--ravdess", tmp_path], check=True, capture_output=True
    )
    found = json.loads(output.read_text())["tables"]
    assert found.keys() == tables_of("published_system").keys()
    before, now = (row["median, of the RMS"] for row in found["clicks"][:2])
    assert before > 0 and now > 0
    (cut, _) = found["cuts"]
    assert cut["frames that see no cut, mean dB"] < 1e-4


def test_a_report_is_written_with_its_settings(tmp_path, capsys):
    asked = SimpleNamespace(device="cpu", rounds=3, output=tmp_path / "found.json")
    measurement.report(asked, {"step": [{"what": "ours", "ms": 1.5}]}, batch_size=8)
    found = json.loads(asked.output.read_text())
    assert found["settings"] == {"device": "cpu", "rounds": 3, "batch_size": 8}
    assert found["tables"]["step"] == [{"what": "ours", "ms": 1.5}]
    assert "| ours | 1.50 |" in capsys.readouterr().out


@pytest.fixture
def checkpoint(tmp_path):
    whisper_model().save_pretrained(tmp_path / "whisper")
    return str(tmp_path / "whisper")


def test_the_baselines_layers_are_transformers_and_padding_has_no_frame(checkpoint):
    encoder = Whisper(checkpoint, freeze="all").eval()
    wave = np.random.default_rng(0).normal(0, 0.1, 20000).astype(np.float32)
    padded = baselines.padded_states(wave, encoder)
    own = baselines.own_states(np.pad(wave, (0, baselines.LONGEST - len(wave))), encoder)
    assert padded.shape == (4, 63, 16) and own.shape == (4, 1500, 16)
    torch.testing.assert_close(padded, own[:, :63], atol=1e-4, rtol=0)
    assert baselines.own_states(wave, encoder).shape == (4, 63, 16)
    rows = baselines.whisper(iter([wave, wave]), encoder, "padded")
    np.testing.assert_allclose(rows[:, 1, :16], padded.mean(dim=1), atol=1e-5)


def test_a_baseline_chooses_its_layer_without_the_tested_speakers(
    iemocap, corpus, tmp_path, checkpoint, monkeypatch
):
    labels = ["angry", "sad", "happy", "neutral"]
    utterances, _ = prepare(iemocap.scan, corpus, tmp_path, labels, {"excited": "happy"})
    monkeypatch.setattr(baselines, "egemaps", lambda waves: np.eye(len(utterances))[None])
    chosen, own = [], baselines.score_layers
    monkeypatch.setattr(
        baselines, "score_layers", lambda *args: chosen.append(args[2]) or own(*args)
    )
    command = ["--manifest", str(tmp_path / "manifest.csv"), "--data_folder", str(corpus)]
    command += ["--protocol", "leave_one_session_out", "--folds", "1", "--whisper", checkpoint]
    command += ["--train", "train+valid", "--layer", "inner_folds", "--context", "utterance"]
    command += ["--name", "middle", "--output", str(tmp_path / "found"), "--labels", *labels]
    baselines.run(baselines.read_arguments(command))
    (fold,) = chosen
    assert {u.session for u in fold.train} == {u.session for u in utterances} - {"Session2"}
    (section,) = collect([tmp_path / "found"])
    assert section.selection == "none" and set(section.variants) == {"middle", "egemaps_svm"}
    (run,) = section.variants["middle"].runs
    assert run.results["layer"] in range(4) and run.results["parts"]["valid"] == 0
    with pytest.raises(ValueError, match="--layer is 4; allowed: 0 … 3"):
        baselines.run(baselines.read_arguments([*command, "--layer", "4"]))


STUB = """
import json, sys, time
name, output = sys.argv[1], sys.argv[3]
if name == "plain":
    sys.exit("no GPU\\nNoGpuError: there is none")
json.dump({"tables": {name: [{"row": 1}]}}, open(output, "w"))
time.sleep(600 if name == "step" else 0)
"""


def test_a_profile_keeps_what_each_part_found_however_it_ends(tmp_path, monkeypatch, capsys):
    (tmp_path / "stub_parts.py").write_text(STUB)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(gpu_profile, "PARTS", "stub_parts")
    asked = ["--parts", "step", "plain", "fold", "--minutes", "0.1", "--output", str(tmp_path)]
    ended = gpu_profile.main(asked)
    assert [(part.name, part.ended) for part in ended] == [
        ("step", "cut off after 2 s"), ("plain", "NoGpuError: there is none"), ("fold", "well"),
    ]  # fmt: skip
    found = {
        p.name: json.loads((tmp_path / f"profile_{p.name}-gpu.json").read_text()) for p in ended
    }
    assert found["step"]["tables"]["step"] == [{"row": 1}]
    assert found["plain"]["tables"]["end"][0]["ended"] == "NoGpuError: there is none"
    assert capsys.readouterr().out.count("|   1 |") == 2


@pytest.mark.slow
def test_the_profile_runs_from_end_to_end_without_a_gpu(tmp_path):
    assert set(profile_parts.PARTS) == set(gpu_profile.SHARES)
    command = [sys.executable, ROOT / "bench/gpu_profile.py", "--device", "cpu", "--quick"]
    subprocess.run([*command, "--output", tmp_path], check=True, capture_output=True)
    page = (ROOT / "docs/speed.md").read_text(encoding="utf-8")
    for name in profile_parts.PARTS:
        found = json.loads((tmp_path / f"profile_{name}-cpu.json").read_text())
        assert found["tables"][name] and found["tables"]["end"][0]["ended"] == "well"
        assert f"<!-- profile_{name}-gpu: {name} -->" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_measurement_runs_from_end_to_end(name, tmp_path):
    output = tmp_path / "found.json"
    command = [sys.executable, ROOT / f"bench/{name}.py", "--quick", "--output", output]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    found = json.loads(output.read_text())
    assert all(rows for rows in found["tables"].values())
    # Every table of the page is one that a measurement writes.
    marks = tables.BLOCK.findall((ROOT / "docs/speed.md").read_text(encoding="utf-8"))
    wanted = {table for _, file, table, _ in marks if file == f"{name}-cpu"} - {"machine"}
    assert wanted == set(found["tables"])
