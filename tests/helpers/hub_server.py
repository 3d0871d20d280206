"""A stand-in for the Hugging Face hub: as much of its HTTP interface as its library asks for."""

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from huggingface_hub.utils import sha

LARGE = ".safetensors", ".onnx", ".data"  # what the hub keeps apart from git


class Hub(ThreadingHTTPServer):
    """The hub's repositories; ``log`` holds each request, ``refusals`` what it will refuse."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.storage = f"http://localhost:{self.server_port}/storage"  # to the client another host
        self.models, self.commits, self.trees = {}, [], {}
        self.datasets, self.gated = set(), set()
        self.objects, self.log, self.refusals = {}, [], {}

    def add(self, repo, files=None, private=False):
        self.models[repo] = {"private": private, "branches": {"main": self.keep(files or {})}}

    def keep(self, files):
        commit = hashlib.sha1(repr(len(self.trees)).encode()).hexdigest()
        self.trees[commit] = dict(files)
        return commit

    def commit_of(self, repo, revision="main"):
        return self.models[repo]["branches"].get(revision, revision)

    def files(self, repo, revision="main"):
        return self.trees[self.commit_of(repo, revision)]

    def asked(self, method):
        return [path for verb, path in self.log if verb == method]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def respond(self):
        hub, path = self.server, unquote(urlsplit(self.path).path)
        body = self.body()
        hub.log.append((self.command, path))
        token = self.headers.get("Authorization")
        open_ = path == "/api/validate-yaml" or "storage" in path
        if self.command in ("POST", "PUT") and not open_ and token != "Bearer writer":
            return self.send({"error": "no"}, 403 if token == "Bearer reader" else 401)
        if "storage" in path:
            assert token is None, "the token is for the hub alone"
        for (verb, pattern), status in hub.refusals.items():
            if verb == self.command and re.fullmatch(pattern, path):
                return self.send({"error": "as the test wants"}, status)
        for verb, pattern, function in ROUTES:
            found = re.fullmatch(pattern, path)
            if self.command in verb and found:
                return function(self, body, **found.groupdict())
        return self.missing("Repo")

    do_GET = do_HEAD = do_POST = do_PUT = respond

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def send(self, content=b"", status=200, **headers):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def missing(self, what):
        self.send({"error": f"{what} not found"}, 404, X_Error_Code=f"{what}NotFound")

    def info(self, body, repo, revision="main"):
        if repo not in self.server.models:
            return self.missing("Repo")
        model, commit = self.server.models[repo], self.server.commit_of(repo, revision)
        if commit not in self.server.trees:
            return self.missing("Revision")
        files = self.server.trees[commit]
        config = json.loads(files["config.json"]) if "config.json" in files else {}
        self.send(
            {
                "id": repo,
                "sha": commit,
                "private": model["private"],
                "config": {name: config[name] for name in ("model_type",) if name in config},
                "siblings": [{"rfilename": name} for name in files],
            }
        )

    def tree(self, body, repo, revision):
        """Each file with the hash that the hub gives it."""
        files = []
        for name, data in self.server.files(repo, revision).items():
            large = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 1}
            file = {"type": "file", "path": name, "size": len(data), "oid": sha.git_hash(data)}
            files.append(file | ({"lfs": large} if name.endswith(LARGE) else {}))
        self.send(files)

    def create(self, body):
        asked = json.loads(body)
        repo = f"{asked['organization']}/{asked['name']}"
        taken = repo in self.server.models or repo in self.server.datasets
        if not taken:
            self.server.add(repo, private=asked.get("visibility") == "private")
        self.send({"url": f"{self.server.url}/{repo}"}, 409 if taken else 200)

    def branch(self, body, repo, branch):
        branches = self.server.models[repo]["branches"]
        status = 409 if branch in branches else 200
        branches.setdefault(branch, branches["main"])
        self.send({}, status)

    def preupload(self, body, repo, revision):
        there, files = self.server.files(repo, revision), []
        for file in json.loads(body)["files"]:
            name, large = file["path"], file["path"].endswith(LARGE)
            hashed = (lambda b: hashlib.sha256(b).hexdigest()) if large else sha.git_hash
            oid = hashed(there[name]) if name in there else None
            mode = "lfs" if large else "regular"
            files.append({"path": name, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.send({"files": files})

    def batch(self, body, repo):
        objects = []
        for asked in json.loads(body)["objects"]:
            address = f"{self.server.storage}/{asked['oid']}?signature=secret"
            actions = {"upload": {"href": address}}
            objects.append(
                asked | ({} if asked["oid"] in self.server.objects else {"actions": actions})
            )
        self.send({"transfer": "basic", "objects": objects})

    def put(self, body, oid):
        assert hashlib.sha256(body).hexdigest() == oid
        self.server.objects[oid] = body
        self.send()

    def commit(self, body, repo, revision):
        lines = [json.loads(line) for line in body.splitlines()]
        files, branches = (
            dict(self.server.files(repo, revision)),
            self.server.models[repo]["branches"],
        )
        if lines[0]["value"]["parentCommit"] != branches[revision]:
            return self.send({"error": "moved"}, 412)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            else:
                assert line["key"] == "deletedFile"
                del files[value["path"]]
        self.server.commits.append((repo, revision, lines))
        branches[revision] = self.server.keep(files)
        url = f"{self.server.url}/{repo}/commit/{branches[revision]}"
        self.send({"commitUrl": url, "commitOid": branches[revision]})

    def resolve(self, body, repo, revision, name):
        if repo not in self.server.models:
            return self.missing("Repo")
        if repo in self.server.gated:
            return self.send({"error": "ask first"}, 403, X_Error_Code="GatedRepo")
        commit = self.server.commit_of(repo, revision)
        if commit not in self.server.trees:
            return self.missing("Revision")
        if name not in (files := self.server.trees[commit]):
            return self.missing("Entry")
        data = files[name]
        if not name.endswith(LARGE):
            return self.send(data, X_Repo_Commit=commit, ETag=f'"{sha.git_hash(data)}"')
        oid = hashlib.sha256(data).hexdigest()
        self.server.objects[oid] = data
        linked = {"X_Linked_Etag": f'"{oid}"', "X_Linked_Size": len(data)}
        location = f"{self.server.storage}/{oid}"
        self.send(b"", 302, X_Repo_Commit=commit, Location=location, **linked)

    def get(self, body, oid):
        self.send(self.server.objects[oid])


NAME = r"(?P<repo>[^/]+/[^/]+?)"
ROUTES = (
    ("GET", f"/api/models/{NAME}", Handler.info),
    ("GET", f"/api/models/{NAME}/revision/(?P<revision>.+)", Handler.info),
    ("GET", f"/api/models/{NAME}/tree/(?P<revision>.+)", Handler.tree),
    ("POST", "/api/repos/create", Handler.create),
    ("POST", f"/api/models/{NAME}/branch/(?P<branch>.+)", Handler.branch),
    ("POST", "/api/validate-yaml", lambda handler, body: handler.send({})),
    ("POST", f"/api/models/{NAME}/preupload/(?P<revision>.+)", Handler.preupload),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", "/storage/(?P<oid>.+)", Handler.put),
    ("GET", "/storage/(?P<oid>.+)", Handler.get),
    ("POST", f"/api/models/{NAME}/commit/(?P<revision>.+)", Handler.commit),
    (("GET", "HEAD"), f"/{NAME}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", Handler.resolve),
)
