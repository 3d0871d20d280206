"""A pushed model comes back from the hub, from its cache, or not at all: that is explained."""

import contextlib
import json
import time

import pytest
import torch
from huggingface_hub import constants
from speechbrain.inference.classifiers import EncoderClassifier

from camser.cli import main
from camser.inference import EmotionClassifier
from camser.inference.export_config import write_config
from camser.inference.export_files import ExportError
from camser.inference.hub import locate_model
from camser.runtime.digests import file_record
from tests.helpers.hub_fixtures import REPO, point_to


@pytest.fixture
def recording():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(40000, generator=generator).numpy() * 0.1


def log_probabilities(source, recording, **options):
    classifier = EmotionClassifier.from_pretrained(source, device="cpu", **options)
    return classifier.log_probabilities([recording])


def test_a_pushed_model_is_the_one_in_the_folder(hub, folder, recording):
    main(["push", str(folder), REPO, "--revision", "v1"])
    hub.log.clear()
    got = log_probabilities(REPO, recording, revision="v1")
    torch.testing.assert_close(got, log_probabilities(folder, recording), atol=0, rtol=0)
    commit = f"/{REPO}/resolve/{hub.commit_of(REPO, 'v1')}"
    fetched = {path for _, path in hub.log if "/resolve/" in path}
    assert fetched == {f"{commit}/config.json", f"{commit}/model.safetensors"}


def test_speechbrains_own_interface_finds_it_too(hub, folder, recording, tmp_path):
    main(["push", str(folder), REPO])
    hub.log.clear()
    options = {"savedir": tmp_path / "saved", "run_opts": {"device": "cpu"}}
    classifier = EncoderClassifier.from_hparams(source=REPO, **options)
    segment = torch.from_numpy(recording[:16000]).unsqueeze(0)
    scores = classifier.classify_batch(segment)[0]
    expected = log_probabilities(folder, recording[:16000])
    # Rounding alone: one path pads and batches, the other does not.
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)
    fetched = {path.rsplit("/", 1)[-1] for _, path in hub.log if "/resolve/" in path}
    assert fetched == {"hyperparams.yaml", "config.json", "model.safetensors"}


def test_the_cache_serves_while_the_hub_is_away(
    hub, folder, recording, silent, monkeypatch, caplog
):
    main(["push", str(folder), REPO])
    expected = log_probabilities(REPO, recording)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.3)
    point_to(monkeypatch, silent)
    torch.testing.assert_close(log_probabilities(REPO, recording), expected, atol=0, rtol=0)
    assert f"{REPO} is taken from the hub's cache: ReadTimeout" in caplog.text
    caplog.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    torch.testing.assert_close(log_probabilities(REPO, recording), expected, atol=0, rtol=0)
    told = {record.name for record in caplog.records}
    assert told <= {"camser.inference.engines"}  # of the device; not of the hub, as it was wanted


def test_a_new_commit_replaces_what_the_cache_holds(hub, folder):
    main(["push", str(folder), REPO])
    assert EmotionClassifier.from_pretrained(REPO, device="cpu").temperature == 0.1
    config = json.loads((folder / "config.json").read_text())
    write_config(folder, config | {"temperature": 2.5})
    main(["push", str(folder), REPO])
    assert EmotionClassifier.from_pretrained(REPO, device="cpu").temperature == 2.5


def test_a_graph_is_fetched_only_where_it_is_needed(hub, folder):
    (folder / "model.onnx").write_bytes(b"graph")
    config = json.loads((folder / "config.json").read_text())
    config["onnx"] = {"model.onnx": file_record(folder / "model.onnx")}
    write_config(folder, config)
    main(["push", str(folder), REPO])
    assert not (locate_model(REPO) / "model.onnx").exists()
    assert (locate_model(REPO, graph="model.onnx") / "model.onnx").read_bytes() == b"graph"


@contextlib.contextmanager
def soon(seconds=15.0):
    """In less time than the retries of huggingface_hub take, on a busy machine too."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_a_model_that_cannot_be_had_is_explained_at_once(hub, silent, monkeypatch):
    hub.add("anna/empty")
    hub.add("anna/half", {"config.json": b"{}"})
    hub.add("anna/busy", {"config.json": b"{}"})
    hub.add("anna/gated", {"config.json": b"{}", "model.safetensors": b""})
    hub.refusals["GET", "/api/models/anna/busy"] = 503
    hub.refusals["GET", "/api/models/anna/elsewhere"] = 404
    hub.gated.add("anna/gated")
    answers = rf"the hub \({hub.url}\) answers with HTTP"
    for source, revision, message in [
        ("anna/nothing", None, "the hub shows no such model"),
        ("anna/empty", None, "it must have config.json and model.safetensors"),
        ("anna/half", None, "it must have config.json and model.safetensors"),
        ("anna/half", "v9", "'v9': it has no such revision"),
        ("anna/gated", None, "it is gated; ask for access"),
        ("anna/busy", None, rf"{answers} 503 \(.*: run the command again later"),
        ("anna/elsewhere", None, rf"{answers} 404 \(.*: check the name and HF_ENDPOINT"),
        ("anna/emo--tions", None, "Cannot have -- or"),
    ]:
        with soon(), pytest.raises(ExportError, match=message):
            EmotionClassifier.from_pretrained(source, revision=revision)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.3)
    point_to(monkeypatch, silent)
    message = rf"the hub \({silent}\) cannot be reached, or stopped answering \(ReadTimeout"
    with soon(), pytest.raises(ExportError, match=message):
        EmotionClassifier.from_pretrained(REPO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with soon(), pytest.raises(ExportError, match="does not have it, and HF_HUB_OFFLINE forbids"):
        EmotionClassifier.from_pretrained(REPO)
