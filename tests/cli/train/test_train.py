"""``camser train``: labels become a tested model; it goes on where it was interrupted."""

import json

import pytest
import yaml

from camser.cli import main
from camser.cli.train import pipeline
from camser.cli.train.encoder import Encoder, EncoderError, find_encoder, read_encoder
from camser.cli.train.evaluation import choose_protocol, cross_validated_scores
from camser.data.folds import SHARED_SPEAKERS, FoldError
from camser.data.manifest import Utterance
from camser.evaluation.results import write_predictions
from camser.inference import EmotionClassifier
from camser.inference.export_config import read_config

CHEAP = [
    "--preset",
    "tiny",
    "--device",
    "cpu",
    "--set",
    "number_of_epochs=2",
    "label_smoothing=0.1",
]


def rows(number, **values):
    """Utterances of two emotions in turn; values are functions of the number."""
    return [
        Utterance(
            f"x/{i}", "x", f"{i}.wav", 1.0, emotion="ab"[i % 2],
            **{name: value(i) for name, value in values.items()},
        )
        for i in range(number)
    ]  # fmt: skip


def test_a_table_becomes_a_tested_model(write_table, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stated = ["--license", "cc-by-4.0", "--language", "de"]
    main(["train", str(write_table()), "--output", "model", "--folds", "3", *stated, *CHEAP])
    out = capsys.readouterr().out
    assert "serious unknown speakers: The speaker of 60 of 60 recordings" in out
    assert f"camser data {tmp_path / 'labels.csv'}\nlabels: 60 recordings" in out
    assert "60 recordings" in out and "speakers unknown: split by file" in out
    assert f"preset tiny. {pipeline.NO_ENCODER}" in out
    assert "[6/6] model: the model; camser classify --model model FILE …" in out
    config = read_config("model")
    assert config["cross_validated"]["num_utterances"] == 60
    assert (config["cross_validated"]["num_folds"], config["trained"]["parts"]["train"]) == (3, 60)
    card = (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert "\nlanguage:\n- de\n" in card and "\nlicense: cc-by-4.0\n" in card
    assert "3 sister models were trained in the same\nway, each without the files" in card
    assert "speakers unknown: may be optimistic" in card and pipeline.NO_ENCODER in card
    assert (tmp_path / "model-runs/report/report.html").is_file()
    found = EmotionClassifier.from_pretrained("model")
    assert found.labels == ["down", "loud", "plain", "up"]
    with pytest.raises(SystemExit, match="model exists; give another --output, or remove it"):
        main(["train", str(write_table()), "--output", "model", *CHEAP])


def test_scores_on_speakers_of_the_training_say_so(tmp_path):
    write_predictions(tmp_path, rows(4), [[-0.1, -2.4]] * 4, ["a", "b"])
    results = {"labels": ["a", "b"], "protocol": "given_shared", "selection": "none"}
    runs = [(tmp_path, {**results, "shared_speakers": number}) for number in (2, 1)]
    found = cross_validated_scores(runs)
    assert (found["shared_speakers"], found["note"]) == (2, SHARED_SPEAKERS)


@pytest.mark.slow
def test_what_is_finished_is_not_repeated(write_table, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = str(write_table(speaker=lambda u: u.speaker))
    command = ["train", table, "--output", "model", "--folds", "3", *CHEAP]
    own, started = pipeline.run_locally, []

    def run(jobs, *share):
        for job, status in own(jobs, *share):
            started.append(job.folder)
            yield job, status
            if len(started) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "run_locally", run)
    with pytest.raises(SystemExit, match="130"):
        main(command)
    main(command)
    assert len(started) == len({*started}) == 4  # three folds, and all data
    assert "10 speakers" in capsys.readouterr().out
    changed = ["--output", "model", "--seed", "5", "--folds", "3", *CHEAP]
    (tmp_path / "model").rename(tmp_path / "moved")
    with pytest.raises(SystemExit, match="model-runs has runs of other options or labels"):
        main(["train", table, *changed])


def test_what_failed_can_be_run_by_hand(write_table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "run_locally", lambda jobs, *share: ((job, 1) for job in jobs))
    with pytest.raises(SystemExit, match=r"(?s)^camser: tiny, fold 0.*job\.log"):
        main(["train", str(write_table()), "--output", "model", *CHEAP])
    recipe = (tmp_path / "model-runs/recipe.yaml").read_text(encoding="utf-8")
    assert "include: camser:Table/hparams/tiny.yaml" in recipe
    assert {"train.py", "crossval.py", "table.yaml"} <= {
        path.name for path in (tmp_path / "model-runs").iterdir()
    }
    table = yaml.safe_load((tmp_path / "model-runs/table.yaml").read_text(encoding="utf-8"))
    assert table == {"source": str(tmp_path / "labels.csv")}


@pytest.mark.parametrize(
    ("utterances", "options", "expected"),
    [
        (rows(12), {}, ("speaker_k_fold", 5)),
        (rows(12, speaker=lambda i: f"x/{i // 2}"), {}, ("leave_one_speaker_out", None)),
        (rows(24, speaker=lambda i: f"x/{i // 2}"), {}, ("speaker_k_fold", 5)),
        (rows(24, speaker=lambda i: f"x/{i // 2}"), {"num_folds": 4}, ("speaker_k_fold", 4)),
        (rows(8, split=lambda i: "test" if i > 5 else "train"), {}, ("given", None)),
        (rows(8), {"num_folds": 3}, ("speaker_k_fold", 3)),
    ],
)
def test_the_protocol_is_the_best_that_the_labels_allow(utterances, options, expected):
    settings = choose_protocol(utterances, **options)
    assert (settings["protocol"], settings["num_folds"]) == expected


def test_too_few_recordings_are_refused():
    with pytest.raises(FoldError, match="the labels do not suffice for a test: "):
        choose_protocol(rows(2))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "whisper", "encoder_layers": 4}, ("whisper", 4)),
        ({"model_type": "wavlm", "num_hidden_layers": 12}, ("wav2vec2", 12)),
    ],
)
def test_an_encoder_is_recognized_by_its_configuration(tmp_path, config, expected):
    (tmp_path / "config.json").write_text(json.dumps(config))
    encoder = read_encoder(str(tmp_path))
    assert (encoder.plugin, encoder.num_layers) == expected
    frozen = pipeline._encoder_settings("frozen", encoder)
    assert (frozen["freeze"], frozen["layer"]) == ("all", expected[1] // 2)


def test_another_model_is_no_encoder(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(EncoderError, match=r"its model_type is 'bert'; allowed: whisper, wav2vec2"):
        read_encoder(str(tmp_path))
    with pytest.raises(EncoderError, match=r"no pretrained encoder can be read there"):
        read_encoder(str(tmp_path / "gone"))


def test_a_cached_encoder_is_taken_and_a_missing_one_is_told(monkeypatch, capsys):
    found = Encoder("openai/whisper-tiny", "whisper", 4)
    monkeypatch.setattr(
        "camser.cli.train.encoder.try_to_load_from_cache",
        lambda source, file: "a/path" if source == found.source else None,
    )
    monkeypatch.setattr("camser.cli.train.encoder.read_encoder", lambda source: found)
    assert find_encoder() == found
    monkeypatch.setattr("camser.cli.train.encoder.try_to_load_from_cache", lambda *names: None)

    def no_network(*names):
        raise OSError("no network")

    monkeypatch.setattr("camser.cli.train.encoder.hf_hub_download", no_network)
    assert find_encoder() is None
    assert (
        "no pretrained encoder is at hand; fetching openai/whisper-base" in capsys.readouterr().out
    )


def test_a_table_that_is_none_names_the_problem(tmp_path):
    (tmp_path / "labels.csv").write_text("path,mood\na.wav,up\n")
    command = ["train", str(tmp_path / "labels.csv"), "--output", str(tmp_path / "m"), *CHEAP]
    with pytest.raises(SystemExit, match="no column is known to be the emotion"):
        main(command)
