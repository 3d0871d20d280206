"""The demo: its page in a real browser, its API by two clients, and what strangers may not do."""

import inspect
import json
import os
import shutil
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

import numpy as np
import pytest
import soundfile
from exported import LABELS, write_export

from camser import audio, cli
from camser.demo import texts
from camser.demo.clips import VOICES, write_clips
from camser.demo.figures import attention_figure, timeline_figure
from camser.demo.guard import MOST_JSON, PUBLIC
from camser.demo.limits import Limits, Refused
from camser.demo.page import build_page, import_gradio
from camser.demo.serve import serving
from camser.demo.service import ENVELOPE_BINS, Service
from camser.inference import EmotionClassifier
from camser.inference.folder import read_config
from camser.inference.formats import as_dict

gradio_client = pytest.importorskip("gradio_client")
LIMITS = Limits(megabytes=1, seconds=20, waiting=2)
reached = set()  # the hosts that this process asked for, but for Gradio's client, which is a guest


@sys.addaudithook
def _record(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    frame = sys._getframe()
    while frame:
        if frame.f_code.co_filename == gradio_client.client.__file__:
            return
        frame = frame.f_back
    reached.add(str(host))


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return write_export(tmp_path_factory.mktemp("exports") / "export")


@pytest.fixture(scope="module")
def classifier(export):
    return EmotionClassifier.from_pretrained(export, device="cpu")


@pytest.fixture(scope="module")
def address(classifier, export):
    reached.clear()
    with serving(classifier, read_config(export), LIMITS, port=free_port()) as address:
        yield address.rstrip("/")


@pytest.fixture(scope="module")
def client(address):
    with pytest.MonkeyPatch.context() as patch:  # the server is up already, and had no such help
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        return gradio_client.Client(address, verbose=False, analytics_enabled=False)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def clip(clips):
    """Twelve seconds, the longest of the examples."""
    return clips["Changing"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(client, path, *given, api_name="/classify"):
    return client.predict(gradio_client.handle_file(path), *given, api_name=api_name)


def fetch(url, data=None, **headers):
    """Status and text of an answer, as a plain client sees them."""
    try:
        request = urllib.request.Request(url, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def post(url, value):
    return fetch(url, json.dumps(value).encode(), **{"Content-Type": "application/json"})


def upload(address, name, content):
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    return fetch(f"{address}/gradio_api/upload", body, **kind)


def file_data(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


# What programs get -----------------------------------------------------------------------------


def test_classify_by_http_is_the_models_own(client, classifier, clip):
    own = classifier.classify(clip)
    answer = ask(client, clip)
    assert answer["source"] == clip.name and answer["emotion"] == own.emotion
    assert answer["seconds"] == own.seconds and list(answer["probabilities"]) == list(LABELS)
    assert answer["probabilities"] == pytest.approx(own.probabilities)
    assert ask(client, clip, 1.0)["emotion"] is None


def test_timeline_by_http_is_the_models_own(client, classifier, clip):
    own = as_dict(classifier.timeline(clip, 2.0, 0.5, "median"))
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


def test_only_two_questions_are_public(address, client):
    _, text = fetch(f"{address}/gradio_api/info")
    found = json.loads(text)
    assert set(found["named_endpoints"]) == {"/classify", "/timeline"}
    assert not found["unnamed_endpoints"]
    assert all(table["description"] for table in found["named_endpoints"].values())
    parameters = {
        name.strip("/"): tuple(p["parameter_name"] for p in table["parameters"])
        for name, table in found["named_endpoints"].items()
    }
    assert parameters == PUBLIC
    for wrong in ({"data": None, "event_id": None}, {}, {"audio": None, "more": 1}):
        status, text = post(f"{address}/gradio_api/call/v2/classify", wrong)
        assert (status, text) == (400, "classify takes audio, threshold; audio must be given")
    status, _ = post(f"{address}/gradio_api/call/analyse", {"data": [None, 0, "none", 1, 1]})
    assert status == 404


# What cannot be answered ------------------------------------------------------------------------


def broken(kind, folder):
    path = folder / f"{kind}.wav"
    wave = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    if kind == "text":
        path.write_text("this is no sound\n" * 100)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "nan":
        wave[9000] = np.nan
        soundfile.write(path, wave, 16000, subtype="FLOAT")
    elif kind == "truncated":
        soundfile.write(path, wave, 16000)
        path.write_bytes(path.read_bytes()[:20000])
    elif kind == "slow":
        soundfile.write(path, wave, 4000)
    elif kind == "long":  # and small: the length is checked, not the size
        path = path.with_suffix(".flac")
        soundfile.write(path, np.zeros(16000 * 21), 16000)
    return path


BROKEN = {
    "text": "not a readable sound file",
    "empty": "not a readable sound file",
    "nan": "NaN",
    "truncated": "truncated",
    "slow": "4000 Hz",
    "long": "lasts 21 s; allowed: 20 s",
}


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
        ((1, 2), "hop 2 s; allowed: a hop"),
        ((1, 0.001), "a hop of 0.1 s and more"),
        ((31, 1), "a window of 30 s and less"),
        ((1, 1, "cubic"), "allowed: mean, median"),
        (("a", 1), "must be a number"),
    ],
)
def test_settings_that_are_not_allowed(client, clip, given, message):
    with pytest.raises(gradio_client.exceptions.AppError, match=message):
        ask(client, clip, *given, api_name="/timeline")


def test_work_is_bounded_before_it_begins(classifier, tmp_path, monkeypatch):
    path = tmp_path / "hour.flac"
    soundfile.write(path, np.zeros(8000 * 3600, np.int16), 8000)
    own = audio._decode

    def first_piece(*given):
        yield next(own(*given))
        raise AssertionError("all of it is decoded")

    monkeypatch.setattr(audio, "_decode", first_piece)
    with pytest.raises(Refused, match="are 360000 segments to compute; allowed: 20000"):
        Service(classifier, Limits()).timeline(str(path), 10.0, 0.1)
    with pytest.raises(Refused, match="lasts 3600 s; allowed: 60 s"):
        Service(classifier, Limits(seconds=60)).classify(str(path))
    with pytest.raises(ValueError, match="seconds is 0; it must be positive"):
        Limits(seconds=0)


# What strangers may not do ----------------------------------------------------------------------


def test_no_path_of_the_server_is_read(address, client, export):
    for path in ("/etc/passwd", export / "config.json", f"{tempfile_of(address)}/../x"):
        status, text = post(f"{address}/gradio_api/call/v2/classify", {"audio": file_data(path)})
        assert (status, text.startswith("A file must be one that was sent")) == (400, True)
        status, text = fetch(f"{address}/gradio_api/file={path}")
        assert status in (403, 404) and "root:" not in text and "model_type" not in text
    with pytest.raises(gradio_client.exceptions.AppError) as caught:
        client.predict("/etc/passwd", api_name="/classify")
    assert "root:" not in str(caught.value)


def tempfile_of(address):
    """Where uploads lie, as an upload's answer says."""
    _, text = upload(address, "b.wav", b"b")
    return os.path.dirname(os.path.dirname(json.loads(text)[0]))


def test_nothing_is_fetched_for_a_stranger(address):
    link = file_data("https://example.org/a.wav")
    for route, value in (
        ("call/classify", {"data": [link, 0]}),
        ("queue/join", {"fn_index": 0, "session_hash": "x", "data": [0, 0, 0, 0, link]}),
    ):
        assert post(f"{address}/gradio_api/{route}", value)[0] == 400
    for route in ("file=https://example.org/a.wav", "proxy=https://example.org/a.wav"):
        assert fetch(f"{address}/gradio_api/{route}")[0] == 404
    assert "example.org" not in reached


def test_gradios_other_doors_are_shut(address):
    for route in ("component_server", "process_recording", "run-history/connect", "vibe-edit"):
        assert post(f"{address}/gradio_api/{route}", {})[0] == 404
    for route in (
        "gradio_api/deep_link?session_hash=x",
        "gradio_api/runs",
        "docs",
        "redoc",
        "monitoring",
    ):
        assert fetch(f"{address}/{route}")[0] == 404
    assert post(f"{address}/gradio_api/run/classify", {"data": [None, 0]})[0] == 404  # no queue


def test_uploads_and_requests_are_limited_in_size(address):
    status, text = upload(address, "big.wav", bytes(2_000_000))
    assert status == 413 and "allowed: 1000000" in text
    assert upload(address, "just.wav", bytes(1_050_000))[0] == 413  # by Gradio's own count
    status, text = post(f"{address}/gradio_api/call/classify", {"data": ["x" * MOST_JSON]})
    assert status == 413


def test_it_listens_on_loopback_alone_by_default(address):
    assert inspect.signature(serving).parameters["host"].default == "127.0.0.1"
    parsed = cli._parser().parse_args(["demo", "x"])
    assert (parsed.host, parsed.max_megabytes, parsed.max_seconds) == ("127.0.0.1", 50, 3600)
    if sys.platform == "linux":  # where all of 127.0.0.0/8 is this machine
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port_of(address)), 2):
            pass


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def test_one_at_a_time_and_a_bounded_queue(address, client, classifier, clip, monkeypatch):
    own, lock = classifier.classify, threading.Lock()
    begun, go = threading.Event(), threading.Event()

    def slow(*given, **named):
        begun.set()
        with lock:  # one that is held already would be a second computation at once
            assert go.wait(60)
            return own(*given, **named)

    monkeypatch.setattr(classifier, "classify", slow)
    file = gradio_client.handle_file(clip)
    jobs = [client.submit(file, api_name="/classify")]
    assert begun.wait(60)  # so that it runs, and the others wait
    jobs += [client.submit(file, api_name=name) for name in ("/classify", "/timeline")]
    time.sleep(3)  # no call says when the server has them
    with pytest.raises(Exception, match=r"(?i)queue is full"):
        ask(client, clip)
    assert not any(job.done() for job in jobs)
    go.set()
    assert [len(job.result(timeout=60)) for job in jobs] == [5, 5, 7]


def test_uploads_are_deleted(classifier, export):
    before = dict(os.environ)
    limits = Limits(kept_seconds=1)
    with serving(classifier, read_config(export), limits, port=free_port()) as address:
        _, text = upload(address.rstrip("/"), "a.wav", b"something")
        path = json.loads(text)[0]
        deadline = time.monotonic() + 60
        while os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not os.path.exists(path)
        _, text = upload(address.rstrip("/"), "b.wav", b"something else")
    assert not os.path.exists(os.path.dirname(os.path.dirname(path)))  # whatever is left
    assert dict(os.environ) == before


# The page's parts -------------------------------------------------------------------------------


def test_the_page_says_what_the_model_is(export):
    config, limits = read_config(export), Limits()
    text = texts.about(config, limits)
    for part in ("nowhere", "40 utterances", "50.0 %", "46.0 %", "do not judge", "60 minutes"):
        assert part in text
    assert "too good" not in text
    config["trained"]["note"] = "selected on the test fold (optimistic)"
    assert "selected on the test fold" in texts.about(config, limits)
    assert "too good" in texts.about(config, limits)
    del config["trained"]
    assert "does not say" in texts.about(config, limits)


@pytest.mark.parametrize(
    "told",
    [
        {"trained": 5},
        {"trained": {"parts": {"train": "<img src=x onerror=alert(1)>", "test": 1}}},
        {"trained": {"parts": {"train": 1}}},
        {"trained": {"corpus": ["<script>"]}},
        {"trained": {"fold_name": 1}},
        {"trained": {"note": {"<script>": 1}}},
        {"scores": [1]},
        {"scores": {"WA": "<script>"}},
    ],
)
def test_what_an_export_says_of_itself_is_text_or_nothing(export, told):
    config = read_config(export)
    for name, value in told.items():
        config[name] = {**config[name], **value} if isinstance(value, dict) else value
    shown = texts.about(config, Limits())
    assert "<script" not in shown and "<img" not in shown and "do not judge" in shown
    assert ("does not say" in shown) == ("note" not in str(told))


def test_names_are_escaped(tmp_path, clip):
    folder = write_export(tmp_path / "strange", labels=("<b>&", "$x$"), corpus="<script>")
    config = read_config(folder)
    service = Service(EmotionClassifier.from_pretrained(folder, device="cpu"), Limits())
    analysis = service.analyse(str(clip), 1.0, 1.0)
    shown = texts.answer(analysis.prediction, 0.5) + texts.about(config, Limits())
    shown += texts.lead(config) + timeline_figure(analysis, analysis.timeline, 0.5)
    assert "<b>&<" not in shown and "<script>" not in shown and "&lt;b&gt;&amp;" in shown


def test_figures_are_svg_for_both_widths_and_leave_nothing(classifier, clip):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    analysis = Service(classifier, Limits()).analyse(str(clip), 1.0, 1.0)
    for text in (timeline_figure(analysis, analysis.timeline, 0.3), attention_figure(analysis)):
        assert text.count("<svg") == 2 and text.count('role="img"') == 2
        assert "var(--ink-0072b2, #0072b2)" in text
    assert pyplot.get_fignums() == before
    wave, _ = soundfile.read(clip)
    assert len(analysis.envelope) <= ENVELOPE_BINS
    assert analysis.envelope.max() == pytest.approx(wave.max())
    assert analysis.envelope.min() == pytest.approx(wave.min())
    assert set(analysis.weights) == {"wav2vec2"}


def test_a_fusion_that_weighs_nothing_has_no_weights(tmp_path, clip):
    folder = write_export(tmp_path / "plain", fusion="concat")
    service = Service(EmotionClassifier.from_pretrained(folder, device="cpu"), Limits())
    assert service.analyse(str(clip), 1.0, 1.0).weights == {}


def test_examples_are_the_same_each_time(clips, tmp_path):
    assert list(clips) == list(VOICES)
    for title, path in write_clips(tmp_path).items():
        assert path.read_bytes() == clips[title].read_bytes()


def test_without_gradio_it_says_what_to_install(monkeypatch, classifier, export):
    monkeypatch.setitem(sys.modules, "gradio", None)
    for start in (import_gradio, lambda: build_page(classifier, read_config(export))):
        with pytest.raises(ValueError, match=r'pip install "camser\[demo\]"'):
            start()
    with pytest.raises(SystemExit, match="camser: the demo needs Gradio"):
        cli.main(["demo", str(export)])


def test_the_command_says_what_is_wrong(address, export, tmp_path):
    with pytest.raises(SystemExit, match=r"camser: .*there is no such folder"):
        cli.main(["demo", str(tmp_path / "missing")])
    with pytest.raises(SystemExit, match="camser: nothing can listen at"):
        cli.main(["demo", str(export), "--port", str(port_of(address))])
    with pytest.raises(SystemExit, match="camser: megabytes is -1"):
        cli.main(["demo", str(export), "--max-megabytes=-1"])


# The page in a browser --------------------------------------------------------------------------

SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if not program:
        pytest.skip(f"none of these is installed: {', '.join(names)}")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=list(SWITCHES))
        yield browser
        browser.close()


@pytest.fixture
def tab(browser, address):
    """The page, and all that it asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, asked = context.new_page(), []
    page.set_default_timeout(60000)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.get_by_role("button", name="Changing").wait_for()
    yield page
    outside = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    context.close()
    assert not outside


def drawn(page, count):
    """Wait until this many figures are seen."""
    page.locator(".drawn.wide svg").nth(count - 1).wait_for()
    assert page.locator(".drawn:visible").count() == count


def test_a_clip_is_uploaded_and_shown(tab, classifier, clip):
    tab.set_input_files("input[type=file]", str(clip))
    drawn(tab, 2)
    own = classifier.classify(clip)
    verdict = tab.locator(".verdict").inner_text()
    assert own.emotion in verdict and f"{100 * own.confidence:.0f} %" in verdict
    assert tab.locator(".bars .name").all_inner_texts() == list(LABELS)
    shown = [
        float(value.removesuffix(" %")) for value in tab.locator(".bars .value").all_inner_texts()
    ]
    assert shown == pytest.approx([100 * p for p in own.probabilities.values()], abs=0.06)
    assert tab.locator(".drawn.wide").first.get_attribute("aria-label").startswith("Probabilities")
    with tab.expect_download() as download:
        tab.get_by_role("link", name="JSON").click()
    saved = json.loads(download.value.path().read_text())
    assert download.value.suggested_filename == "changing.json"
    assert saved["source"] == clip.name and len(saved["windows"]) == 12
    # Nothing is cut off on a phone.
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.locator(".drawn.narrow svg").first.wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_example_and_the_least_confidence(tab):
    tab.get_by_role("button", name="Sad", exact=True).click()
    drawn(tab, 2)
    tab.get_by_role("button", name="Settings").click()
    tab.get_by_label("number input for Least confidence").fill("1")
    tab.keyboard.press("Tab")
    tab.get_by_text("not sure").wait_for()
    assert tab.locator(".least").count() == len(LABELS)


def test_a_broken_file_gets_its_message_and_hides_what_was_shown(tab, tmp_path):
    tab.get_by_role("button", name="Angry", exact=True).click()
    drawn(tab, 2)
    tab.get_by_label("Clear").first.click()
    tab.locator(".drawn").first.wait_for(state="hidden")
    tab.set_input_files("input[type=file]", str(broken("text", tmp_path)))
    tab.locator(".mistake").wait_for()
    assert tab.locator(".mistake").inner_text().startswith("text.wav: not a readable sound file")
    tab.locator(".toast-body").first.wait_for()
    assert "text.wav: not a readable" in tab.locator(".toast-body").first.inner_text()
    assert not tab.locator(".drawn:visible").count()


def test_nothing_outside_this_machine_was_asked_for(address):
    """Last: by the server, by then started and used."""
    assert "127.0.0.1" in reached
    assert reached <= {"127.0.0.1", "127.0.0.2", "localhost", "::1", "0.0.0.0", "None"}
