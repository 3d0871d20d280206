"""An export goes to the hub whole, or is refused: the hub is a stub of its HTTP interface."""

import re
import socket
import time

import pytest
from huggingface_hub import constants

from camser.cli import main
from camser.export import hub_upload
from tests.helpers.hub_fixtures import REPO, point_to

FILES = "config.json", "model.safetensors", "hyperparams.yaml", "README.md"


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
    assert "bytes instead of" in refusal(folder, REPO, "--dry-run")
    weights.unlink()
    assert "model.safetensors is missing" in refusal(folder, REPO)
    assert "there is no such folder" in refusal(tmp_path / "nowhere", REPO)
    assert not hub.log


def test_offline_and_logged_out_are_said(hub, folder, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids a request; unset it" in refusal(folder, REPO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN")
    assert "`hf auth login`, or set HF_TOKEN" in refusal(folder, REPO)
    assert not hub.log


# Refused by the hub ------------------------------------------------------------------------------


def test_a_token_that_may_not_write_is_said(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "reader")
    assert "HTTP 403 (no): your token may not do this" in refusal(folder, REPO)
    hub.add(REPO, {"README.md": b"of somebody else"})
    assert "HTTP 403" in refusal(folder, REPO)
    monkeypatch.setenv("HF_TOKEN", "expired")
    assert "HTTP 401 (no): it does not accept your token" in refusal(folder, REPO)
    assert hub.files(REPO) == {"README.md": b"of somebody else"}
    assert not hub.asked("PUT")


def test_a_repository_of_another_kind_is_refused(hub, folder):
    hub.datasets.add("anna/voices")
    assert "a dataset or a space of this name" in refusal(folder, "anna/voices")
    hub.add("anna/bert", {"config.json": b'{"model_type": "bert"}'})
    assert "another kind, 'bert'" in refusal(folder, "anna/bert")
    assert not hub.commits


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        (("POST", "/api/repos/create"), 500, "500 (as the test wants): run the command again"),
        (("GET", "/api/models/.*"), 429, "it is busy"),
        (("PUT", "/storage/.*"), 403, "HTTP 403 (as the test wants)"),
        (("POST", ".*/commit/main"), 412, "has changed during the upload"),
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
    monkeypatch.setattr(hub_upload, "TIMEOUT", 0.3)
    began = time.monotonic()
    assert "stopped answering (ReadTimeout" in refusal(folder, REPO)
    assert time.monotonic() - began < 20  # huggingface_hub would wait forever
