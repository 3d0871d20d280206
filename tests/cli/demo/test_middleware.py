"""What the page answers over HTTP to requests that Gradio alone would accept."""

import http.client
import json
import time

import pytest

from camser.cli.demo.app import serving
from camser.cli.demo.limits import Limits
from camser.inference.export_config import read_config
from tests.helpers.demo_client import fetch, file_data, port_of, post, upload

CALL = "/gradio_api/call/v2/classify"


def test_other_sites_are_refused(address):
    own = f"127.0.0.1:{port_of(address)}"
    for host in ("localhost:7860", "127.0.0.1", "[::1]:7860", "[::1]"):
        assert fetch(address, Host=host)[0] == 200
    for host in ("evil.example", "evil.example:7860", "127.0.0.1.evil.example", "[", "a@b"):
        assert fetch(address, Host=host) == (400, "Invalid host header")
    for origin in ("http://evil.example", "null", "http://127.0.0.1:99", "http://", "http://["):
        for path, body in (("/", None), (CALL, b'{"audio": null}'), ("/gradio_api/upload", b"a")):
            assert fetch(address + path, body, Origin=origin)[0] == 403
    assert fetch(address, Origin=f"http://{own}")[0] == 200
    forwarded = {"Origin": "https://example.org", "X_Forwarded_Host": "example.org"}
    assert fetch(address, **forwarded)[0] == 200


def test_hosts_of_a_proxy_are_allowed_by_name(classifier, export):
    config, names = read_config(export), ["Example.org"]
    with serving(classifier, config, port=0, public_names=names) as address:
        assert fetch(address, Host="example.org")[0] == 200
        assert fetch(address, Host="evil.example") == (400, "Invalid host header")


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"[" * 100_000, b'{"audio": {"path": "https://example.org/a.wav"}}',
     b'{"data": [[{"path": "http:\\/\\/example.org/a.wav"}]]}'],
)  # fmt: skip
def test_what_is_no_question_never_reaches_gradio(address, body):
    status, text = fetch(address + CALL, body, Content_Type="application/json")
    assert status == 400 and json.loads(text)["error"].startswith("The request cannot be read: ")


def test_a_route_is_not_told_by_the_host(classifier, export):
    config, stranger = read_config(export), {"audio": file_data("/etc/passwd")}
    with serving(classifier, config, host="0.0.0.0", port=0) as address:
        for host in ("example.org", "a/gradio_api/upload?", "a/gradio_api/upload#"):
            body = json.dumps(stranger).encode()
            status, text = fetch(address.rstrip("/") + CALL, body, Host=host)
            assert status == 400 and "a file must be one that was sent" in text


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 411),
        ({"Content-Length": "-1"}, 400),
        ({"Content-Length": "1e3"}, 400),
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": "9" * 19}, 413),
    ],
)
@pytest.mark.parametrize("path", [CALL, "/gradio_api/upload"])
def test_lengths_that_are_missing_or_lie(address, path, headers, status):
    client = http.client.HTTPConnection("127.0.0.1", port_of(address), timeout=60)
    client.putrequest("POST", path)
    for name, value in headers.items():
        client.putheader(name, value)
    client.endheaders()
    assert client.getresponse().status == status
    client.close()


def test_uploads_are_bounded_together(classifier, export):
    limits = Limits(megabytes=0.009)
    with serving(classifier, read_config(export), limits, port=0) as address:
        address = address.rstrip("/")
        for number in range(4):  # a small one counts as 65536 bytes
            status, text = upload(address, f"{number}.wav", bytes(number))
            assert status == (200 if number < 3 else 507)
        assert "try again" in text
        # Only uploads are refused; older versions of Gradio answer 500 to a call without a file.
        assert post(address + CALL, {"audio": None})[0] in (200, 500)


def test_an_upload_under_way_counts_as_long_as_it_is(classifier, export):
    limits = Limits(megabytes=0.005)
    with serving(classifier, read_config(export), limits, port=0) as address:
        address = address.rstrip("/")
        client = http.client.HTTPConnection("127.0.0.1", port_of(address), timeout=60)
        client.putrequest("POST", "/gradio_api/upload")
        client.putheader("Content-Type", "multipart/form-data; boundary=a")
        client.putheader("Content-Length", "100000")
        client.putheader("Expect", "100-continue")
        client.endheaders()
        assert client.sock.recv(99).startswith(b"HTTP/1.1 100")  # the page waits for the body
        assert upload(address, "a.wav", b"a")[0] == 507
        client.close()
        deadline = time.monotonic() + 60
        while (status := upload(address, "a.wav", b"a")[0]) == 507 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert status == 200
