"""Paths and addresses where the page expects an upload or a file of its own."""

from __future__ import annotations

import json
import os
import socket

from robustness.demo.http_client import API, Page, form
from robustness.demo.sample_audio import wav

SECRETS = ("/etc/passwd", "/proc/self/environ", "{export}/config.json", "{source}",
           "{folder}/../secret", "../../../../../../etc/passwd", "{folder}/uploads/../../secret",
           "//etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "file:///etc/passwd")  # fmt: skip
NAMES = ("../../evil.wav", "/tmp/evil.wav", "..\\..\\evil.wav", "evil\x00.wav", "e" * 5000 + ".wav",
         "e\r\nX-Evil: 1.wav", "~/.bashrc", "|touch evil", "\udcff.wav", ".htaccess")  # fmt: skip


def names_of_uploads(page: Page) -> str:
    def others() -> set[str]:
        root = page.folder.parent.parent
        return {str(p) for p in root.rglob("*") if page.folder / "uploads" not in p.parents}

    before, content = others(), wav()
    for name in NAMES:
        kind, body = form(name.encode("utf-8", "surrogateescape").decode("latin-1"), content)
        status, _, text = page.ask("POST", f"{API}/upload", body, Content_Type=kind)
        assert status < 500, (name[:20], status)
        for path in json.loads(text) if status == 200 else ():
            real = os.path.realpath(path)
            assert real.startswith(f"{page.folder / 'uploads'}{os.sep}"), (name, path)
    assert others() == before, others() - before
    return "written into the folder of uploads, or refused"


def secrets(page: Page) -> str:
    """Files of the server, by each way that a path could be given."""
    (page.folder.parent / "secret").write_text("root:")
    values = {"export": page.export, "source": __file__, "folder": page.folder}
    before = page.uploads()
    for path in (secret.format(**values) for secret in SECRETS):
        for place in (f"{API}/file=", f"{API}/file/", "/static/", "/assets/", "/svelte/", "/file="):
            status, _, text = page.ask("GET", place + path)
            assert status in (400, 403, 404), (place, path, status, text[:80])
        for api_name in ("classify", "timeline"):
            answer = page.classify(path, api_name)
            assert answer.startswith("400"), (path, answer)
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        for number in range(4):  # the page's own events
            data = {"fn_index": number, "session_hash": "x", "data": [file, 0, "none", 1, 1]}
            status, _, text = page.post(f"{API}/queue/join", data)
            assert status == 400, (number, path, status, text[:80])
    assert page.uploads() == before, page.uploads()  # nothing is copied to where it can be read
    return "refused with 400, 403 or 404"


def fetching(page: Page) -> str:
    """Addresses in the place of files; this process listens whether any is fetched."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.wav"
        _, _, text = page.upload("a.wav", wav())
        good = json.loads(text)[0]
        for file in (
            {"path": url},
            {"path": good, "url": url},
            {"url": url},
            {"path": "", "url": url},
        ):
            file = {**file, "meta": {"_type": "gradio.FileData"}}
            status, _, _ = page.post(f"{API}/call/v2/classify", {"audio": file})
            assert status < 500, status
        for route in ("file=", "proxy="):
            status, _, _ = page.ask("GET", f"{API}/{route}{url}")
            assert status in (400, 403, 404), status
        try:
            listener.accept()
        except TimeoutError:
            return "nothing is fetched"
    raise AssertionError("the page fetched it")
