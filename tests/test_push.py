"""An export goes to the hub and comes back: the hub is a stub of its HTTP interface."""

import contextlib
import json
import re
import shutil
import socket
import threading
import time

import huggingface_hub
import pytest
import torch
from exported import write_export
from hub_stub import Hub
from huggingface_hub import constants
from huggingface_hub.utils import _http
from speechbrain.inference.classifiers import EncoderClassifier

from camser.cli import main
from camser.export import push
from camser.export.describe import recipe
from camser.files import described
from camser.inference import EmotionClassifier
from camser.inference.contents import ExportError
from camser.inference.folder import read_config, write_config
from camser.inference.hub import find

REPO = "anna/emotions"
FILES = "config.json", "model.safetensors", "hyperparams.yaml", "README.md"


def point_to(monkeypatch, url):
    """huggingface_hub reads its environment when it is imported, so its constants are set."""
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty hub, an empty cache of it, and somebody who is logged in."""
    with Hub() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        point_to(monkeypatch, server.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", "writer")
        yield server
        huggingface_hub.set_client_factory(_http.default_client_factory)
        server.shutdown()


@pytest.fixture
def silent():
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An export with random weights, in a folder of its own."""
    folder = write_export(tmp_path_factory.mktemp("made") / "export", fusion="concat")
    config = read_config(folder)
    (folder / "hyperparams.yaml").write_text(recipe(config, embedding_size=128))
    (folder / "README.md").write_text("---\nlibrary_name: speechbrain\n---\nA model.\n")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """The export, to be changed as a test likes."""
    return shutil.copytree(made, tmp_path / "export")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refusal(*arguments):
    """What ``camser push`` ends with: one line."""
    with pytest.raises(SystemExit) as ended:
        main(["push", *map(str, arguments)])
    assert "\n" not in ended.value.code
    return ended.value.code


# There -----------------------------------------------------------------------------------------


def test_the_exports_files_arrive_whole_in_one_commit_and_nothing_else(hub, folder, capsys):
    (folder / "model.onnx").write_bytes(b"graph" * 1000)
    (folder / "model.onnx.data").write_bytes(bytes(range(256)) * 100)
    wanted = contents(folder)
    (folder / ".env").write_text("HF_TOKEN=secret")
    (folder / "notes.txt").write_text("not for others")
    (folder / "checkpoints").mkdir()
    main(["push", str(folder), REPO, "--message", "Trained on fold 3"])
    printed = capsys.readouterr().out.splitlines()
    assert hub.files(REPO) == wanted
    assert "left out: .env, checkpoints, notes.txt" in printed
    assert printed[-1] == f"{hub.url}/{REPO}/commit/{hub.commit_of(REPO)}"
    ((repo, branch, lines),) = hub.commits
    assert (repo, branch, lines[0]["value"]["summary"]) == (REPO, "main", "Trained on fold 3")
    assert {line["key"] for line in lines} == {"header", "file", "lfsFile"}
    stored = {wanted[name] for name in ("model.safetensors", "model.onnx", "model.onnx.data")}
    assert set(hub.objects.values()) == stored
    assert not hub.models[REPO]["private"]


def test_a_dry_run_lists_what_would_be_sent_and_contacts_nobody(hub, folder, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")
    (folder / ".env").write_text("HF_TOKEN=secret")
    main(["push", str(folder), REPO, "--dry-run"])
    printed = capsys.readouterr().out
    for name in FILES:
        size = f"{(folder / name).stat().st_size:,} bytes"
        assert re.search(rf"^{re.escape(name)} +{size}$", printed, re.MULTILINE)
    assert "left out: .env" in printed
    assert not hub.log


def test_a_branch_is_made_and_the_main_one_left_alone(hub, folder):
    hub.add(REPO, {"README.md": b"before"})
    main(["push", str(folder), REPO, "--revision", "fold/3"])
    assert hub.files(REPO) == {"README.md": b"before"}
    assert hub.files(REPO, "fold/3") == contents(folder)


def test_what_the_hub_has_is_not_sent_again(hub, folder, capsys):
    main(["push", str(folder), REPO])
    first = capsys.readouterr().out.splitlines()[-1]
    main(["push", str(folder), REPO])
    assert capsys.readouterr().out.splitlines()[-1] == first
    assert len(hub.commits) == 1
    (folder / "README.md").write_text("---\n---\nBetter.\n")
    main(["push", str(folder), REPO])
    assert hub.files(REPO) == contents(folder)
    sent = {line["value"]["path"] for line in hub.commits[1][2][1:]}
    assert "README.md" in sent  # older libraries send again what is small
    assert len(hub.asked("PUT")) == 1


def test_what_belongs_to_older_weights_goes_and_other_files_stay(hub, folder):
    older = {"model.onnx": b"older", "model.onnx.data": b"older", "LICENSE": b"a licence"}
    hub.add(REPO, older)
    main(["push", str(folder), REPO])
    assert hub.files(REPO) == {**contents(folder), "LICENSE": b"a licence"}
    assert len(hub.commits) == 1


def test_private_is_private_or_refused(hub, folder):
    main(["push", str(folder), REPO, "--private"])
    assert hub.models[REPO]["private"]
    hub.add("anna/open")
    assert "is public; make it private" in refusal(folder, "anna/open", "--private")
    assert hub.files("anna/open") == {}


# Refused before anybody is contacted -------------------------------------------------------------


@pytest.mark.parametrize(
    "repo",
    ["emotions", "a/b/c", "anna/emo--tions", "anna/emotions.git", "https://x.y/anna/e", "../e"],
)
def test_a_wrong_name_is_refused(hub, folder, repo):
    refusal(folder, repo)
    assert not hub.log


@pytest.mark.parametrize("branch", ["", "a b", "../a", "a..b", "a/", "-x"])
def test_a_wrong_branch_is_refused(hub, folder, branch):
    assert "cannot be a branch" in refusal(folder, REPO, f"--revision={branch}")
    assert not hub.log


def test_an_export_that_would_not_load_is_refused(hub, folder, tmp_path):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "is not the file that config.json describes" in refusal(folder, REPO)
    weights.write_bytes(whole[:-1])
    assert "cut off" in refusal(folder, REPO, "--dry-run")
    weights.unlink()
    assert "model.safetensors is missing" in refusal(folder, REPO)
    assert "there is no such folder" in refusal(tmp_path / "nowhere", REPO)
    assert not hub.log


def test_offline_and_logged_out_are_said(hub, folder, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "unset it" in refusal(folder, REPO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN")
    assert "`hf auth login`, or set HF_TOKEN" in refusal(folder, REPO)
    assert not hub.log


# Refused by the hub ------------------------------------------------------------------------------


def test_a_token_that_may_not_write_is_said(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "reader")
    assert f"HTTP 403, no): your token may not write to {REPO}" in refusal(folder, REPO)
    hub.add(REPO, {"README.md": b"of somebody else"})
    assert "HTTP 403" in refusal(folder, REPO)
    monkeypatch.setenv("HF_TOKEN", "expired")
    assert "HTTP 401, no): it does not accept your token" in refusal(folder, REPO)
    assert hub.files(REPO) == {"README.md": b"of somebody else"}
    assert not hub.asked("PUT")


def test_a_repository_of_another_kind_is_refused(hub, folder):
    hub.datasets.add("anna/voices")
    assert "is no model but a dataset" in refusal(folder, "anna/voices")
    hub.add("anna/bert", {"config.json": b'{"model_type": "bert"}'})
    assert "another kind, 'bert'" in refusal(folder, "anna/bert")
    assert not hub.commits


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        (
            ("POST", "/api/repos/create"),
            500,
            "HTTP 500, as the test wants): give the command again",
        ),
        (("GET", "/api/models/.*"), 429, "it is busy"),
        (("PUT", "/storage/.*"), 403, "HTTP 403, as the test wants)"),
        (("POST", ".*/commit/main"), 412, "changed meanwhile"),
        (("POST", "/api/validate-yaml"), 400, "Invalid metadata in README.md"),
    ],
)
def test_what_the_hub_says_is_passed_on(hub, folder, request_, status, message):
    hub.refusals[request_] = status
    said = refusal(folder, REPO)
    assert message in said
    assert "signature" not in said
    assert not hub.commits


def test_a_hub_that_cannot_be_reached_or_is_silent_is_given_up(hub, folder, silent, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    point_to(monkeypatch, closed)
    assert f"({closed}) cannot be reached" in refusal(folder, REPO)
    point_to(monkeypatch, silent)
    monkeypatch.setattr(push, "LIMITS", dict.fromkeys(push.LIMITS, 0.3))
    began = time.monotonic()
    assert "stopped answering (ReadTimeout" in refusal(folder, REPO)
    assert time.monotonic() - began < 20  # by itself it would wait for ever


# And back ----------------------------------------------------------------------------------------


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
    fetched = {path.rsplit("/", 1)[-1] for _, path in hub.log if "/resolve/" in path}
    assert fetched == {"config.json", "model.safetensors"}
    assert all("/resolve/" in path or "/storage/" in path for _, path in hub.log)


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
    assert not caplog.records  # as it was wanted


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
    config["onnx"] = {"model.onnx": described(folder / "model.onnx")}
    write_config(folder, config)
    main(["push", str(folder), REPO])
    assert not (find(REPO) / "model.onnx").exists()
    assert (find(REPO, graph="model.onnx") / "model.onnx").read_bytes() == b"graph"


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
    hub.refusals["HEAD", "/anna/busy/.*"] = 503
    hub.refusals["HEAD", "/anna/elsewhere/.*"] = 404
    for source, revision, message in [
        ("anna/nothing", None, "the hub shows no such model"),
        ("anna/empty", None, "it must hold config.json and model.safetensors"),
        ("anna/half", None, "it must hold config.json and model.safetensors"),
        ("anna/half", "v9", "has no revision 'v9'"),
        ("anna/busy", None, "answers with HTTP 503; try again later"),
        ("anna/elsewhere", None, "answers with HTTP 404; check HF_ENDPOINT"),
        ("anna/emo--tions", None, "neither a folder nor a hub id"),
    ]:
        with soon(), pytest.raises(ExportError, match=message):
            EmotionClassifier.from_pretrained(source, revision=revision)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.3)
    point_to(monkeypatch, silent)
    with soon(), pytest.raises(ExportError, match="cannot be reached: ReadTimeout"):
        EmotionClassifier.from_pretrained(REPO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with soon(), pytest.raises(ExportError, match="HF_HUB_OFFLINE forbids"):
        EmotionClassifier.from_pretrained(REPO)
