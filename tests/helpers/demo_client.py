"""Asking the demo over HTTP: as Gradio's client does, and as a plain one."""

import contextlib
import http.client
import json
import uuid
from urllib.parse import urlsplit

import pytest

gradio_client = pytest.importorskip("gradio_client")


def ask(client, path, *given, api_name="/classify"):
    return client.predict(gradio_client.handle_file(path), *given, api_name=api_name)


def fetch(url, data=None, **headers):
    """Status and text of an answer, as a plain client sees them."""
    parts = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.netloc, timeout=60)) as connection:
        path = parts._replace(scheme="", netloc="").geturl() or "/"
        method = "GET" if data is None else "POST"
        connection.request(method, path, data, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


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


def port_of(address):
    return urlsplit(address).port


async def application(scope, receive, send):
    """Answers with what it got."""
    body, more = b"", scope["method"] == "POST"
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
