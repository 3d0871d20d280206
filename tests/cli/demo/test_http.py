"""What programs get of the demo: the model's own answers, or what was wrong with the question."""

import json

import numpy as np
import pytest
import soundfile

from camser import __version__, audio
from camser.cli.demo.analysis import DemoModel
from camser.cli.demo.limits import Limits, RequestRefused
from tests.helpers.demo_client import ask, fetch, file_data, gradio_client, post, upload
from tests.helpers.refused_recordings import BROKEN, broken
from tests.helpers.tiny_export import LABELS

# What is answered -------------------------------------------------------------------------------


def test_classify_by_http_is_the_models_own(client, classifier, clip):
    own = classifier.classify(clip)
    answer = ask(client, clip)
    assert answer["source"] == clip.name and answer["emotion"] == own.emotion
    assert answer["seconds"] == own.seconds and list(answer["probabilities"]) == list(LABELS)
    assert answer["probabilities"] == pytest.approx(own.probabilities)
    assert ask(client, clip, 1.0)["emotion"] is None


def test_timeline_by_http_is_the_models_own(client, classifier, clip):
    own = classifier.timeline(clip, 2.0, 0.5, "median").to_dict()
    answer = ask(client, clip, 2, 0.5, "median", api_name="/timeline")
    assert answer.pop("source") == clip.name and own.pop("source")
    assert answer.pop("turns") and own.pop("turns")
    rows, own_rows = (
        [[w["start"], w["end"], *w["probabilities"]] for w in found.pop("windows")]
        for found in (answer, own)
    )
    np.testing.assert_allclose(rows, own_rows, atol=1e-6)
    assert answer == own
    plain = ask(client, clip, api_name="/timeline")
    assert plain["window"] == 1.0 and plain["hop"] == 1.0 and len(plain["windows"]) == 12


def test_plain_http_needs_three_requests(address, classifier, clip):
    status, text = upload(address, "a.wav", clip.read_bytes())
    assert status == 200
    question = {"audio": file_data(json.loads(text)[0])}
    status, text = post(f"{address}/gradio_api/call/v2/classify", question)
    assert status == 200
    event = json.loads(text)["event_id"]
    status, text = fetch(f"{address}/gradio_api/call/classify/{event}")
    assert text.startswith("event: complete\ndata: ")
    answer = json.loads(text.split("data: ", 1)[1])[0]
    assert answer["probabilities"] == pytest.approx(classifier.classify(clip).probabilities)


def test_only_two_questions_are_public(address):
    _, text = fetch(f"{address}/gradio_api/info")
    found = json.loads(text)
    assert set(found["named_endpoints"]) == {"/classify", "/timeline"}
    assert not found["unnamed_endpoints"]
    assert all(table["description"] for table in found["named_endpoints"].values())
    parameters = {
        name.strip("/"): [p["parameter_name"] for p in table["parameters"]]
        for name, table in found["named_endpoints"].items()
    }
    assert parameters == {
        "classify": ["audio", "threshold"],
        "timeline": ["audio", "window", "hop", "smoothing"],
    }
    status, _ = post(f"{address}/gradio_api/call/analyse", {"data": [None, 0, "none", 1, 1]})
    assert status == 404


# What is not ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_named_as_it_was_uploaded(client, tmp_path, kind):
    path = broken(kind, tmp_path)
    for api_name in ("/classify", "/timeline"):
        with pytest.raises(gradio_client.exceptions.AppError, match=BROKEN[kind]) as caught:
            ask(client, path, api_name=api_name)
        text = str(caught.value)
        assert path.name in text and "Traceback" not in text
        assert "uploads" not in text and "camser-demo" not in text


@pytest.mark.parametrize(
    "given, message",
    [
        ((1, 2), "hop 2.0 s; allowed: a finite window, and a hop"),
        ((1, 0.001), "a hop of 0.1 s and more"),
        ((31, 1), "a window of 30 s and less"),
        ((1, 1, "cubic"), "allowed: mean, median"),
        (("a", 1), "could not convert string to float: 'a'"),
    ],
)
def test_settings_that_are_not_allowed(client, clip, given, message):
    with pytest.raises(gradio_client.exceptions.AppError, match=message):
        ask(client, clip, *given, api_name="/timeline")


def test_work_is_bounded_before_it_begins(classifier, tmp_path, monkeypatch):
    path = tmp_path / "hour.flac"
    soundfile.write(path, np.zeros(8000 * 3600, np.int16), 8000)
    with pytest.raises(RequestRefused, match="are 360000 segments to compute; allowed: 20000"):
        DemoModel(classifier, Limits()).timeline(str(path), 10.0, 0.1)
    own, seconds = audio.decode, []

    def counted(path, warn):
        for rate, samples in own(path, warn):
            seconds.append(len(samples) / rate)
            yield rate, samples

    monkeypatch.setattr(audio, "decode", counted)
    with pytest.raises(RequestRefused, match="is too long; allowed: 60 s"):
        DemoModel(classifier, Limits(seconds=60)).classify(str(path))
    assert sum(seconds) < 65  # no more of it is decoded
    with pytest.raises(ValueError, match="seconds is 0; it must be positive"):
        Limits(seconds=0)


# Of the service ---------------------------------------------------------------------------------


def test_health_is_asked_without_the_model(address):
    status, text = fetch(f"{address}/health")
    assert status == 200
    assert json.loads(text) == {"status": "ok", "camser": __version__, "labels": [*LABELS]}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/nowhere", None, 404, "not_found"),
        ("/gradio_api/call/classify", "{", 400, "invalid_request"),
    ],
)
def test_an_error_is_an_object_with_a_code(address, path, body, status, code):
    found, text = fetch(address + path, body and body.encode())
    answer = json.loads(text)
    assert (found, answer["code"]) == (status, code) and answer["error"]
