"""What the hub's tests share: a stub of it, somebody who is logged in, and an export."""

import shutil
import socket
import threading

import pytest
from huggingface_hub import constants

from camser.export.config import speechbrain_yaml
from camser.inference.export_config import read_config
from tests.helpers.hub_server import Hub
from tests.helpers.tiny_export import write_export

REPO = "anna/emotions"


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
        server.shutdown()


@pytest.fixture
def silent():
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="package")
def made(tmp_path_factory):
    """An export with random weights, in a folder of its own."""
    folder = write_export(tmp_path_factory.mktemp("made") / "export", fusion="concat")
    config = read_config(folder)
    (folder / "hyperparams.yaml").write_text(speechbrain_yaml(config))
    (folder / "README.md").write_text("---\nlibrary_name: speechbrain\n---\nA model.\n")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """The export, to be changed as a test likes."""
    return shutil.copytree(made, tmp_path / "export")
