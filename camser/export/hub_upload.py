"""An export to the Hugging Face hub: checked as a reader would, in one commit, nothing else."""

from __future__ import annotations

import os
import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from camser.export.hub_errors import LOG_IN, PushError, explain_upload_error
from camser.inference.export_files import (
    CARD,
    CONFIG,
    INT8,
    ONNX,
    ONNX_DATA,
    RECIPE,
    WEIGHTS,
    ExportError,
    check_file,
    graph_files,
)
from camser.inference.export_folder import read
from camser.inference.hub import HUB_ID, status_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

EXPORT_FILES = CONFIG, WEIGHTS, RECIPE, CARD, ONNX, ONNX_DATA, INT8
# Beside other weights than their own, these would contradict them.
DERIVED_FILES = RECIPE, ONNX, ONNX_DATA, INT8
BRANCH = re.compile(r"[A-Za-z0-9](?!.*(?:\.\.|//))[\w./-]*(?<![./])")
# Seconds without a sign of life. The hub may take long to answer a commit.
LIMITS = {"connect": 10.0, "read": 60.0, "write": 60.0, "pool": 10.0}


class UploadPlan(NamedTuple):
    """What is to be uploaded.

    Attributes
    ----------
    repo : str
        "user/name".
    revision : str or None
        The branch.
    files : tuple of Path
        The export's own files.
    left_out : tuple of str
        What else lies in its folder.
    """

    repo: str
    revision: str | None
    files: tuple[Path, ...]
    left_out: tuple[str, ...]


def plan(folder: str | Path, repo: str, revision: str | None = None) -> UploadPlan:
    """Check an export, and where it is to go; nobody is contacted.

    Arguments
    ---------
    folder : str or Path
        The export.
    repo : str
        "user/name".
    revision : str, optional
        A branch; by default the main one.

    Raises
    ------
    ExportError
        If the export would not load, or one of its files is a link.
    ValueError
        If ``repo`` or ``revision`` cannot be a name on the hub.
    """
    _check_names(repo, revision)
    config, _ = read(folder)
    graphs = {**graph_files(config, ONNX), **graph_files(config, INT8)}
    for name, expected in graphs.items():
        check_file(Path(folder) / name, expected)
    inside = sorted(Path(folder).iterdir())
    # What the first versions exported describes no graph.
    unknown = {ONNX, ONNX_DATA, INT8} - set(graphs) if "onnx" in config else {INT8}
    wanted = set(EXPORT_FILES) - unknown
    own = {path.name: path for path in inside if path.name in wanted and path.is_file()}
    for path in own.values():
        if path.is_symlink():  # to whatever a stranger wants to see published
            raise ExportError(
                f"{path} is a link to {os.readlink(path)}; an export that is pushed holds its own "
                f"files: copy the folder with `cp -rL`, and look at what it then holds"
            )
    left_out = tuple(path.name for path in inside if path.name not in own)
    return UploadPlan(
        repo, revision, tuple(own[name] for name in EXPORT_FILES if name in own), left_out
    )


def _check_names(repo: str, revision: str | None) -> None:
    from huggingface_hub.utils import validate_repo_id

    if not HUB_ID.fullmatch(repo):
        raise ValueError(f"{repo!r} is no id on the hub; give user/name or organisation/name")
    validate_repo_id(repo)
    if revision is not None and not BRANCH.fullmatch(revision):
        raise ValueError(
            f"{revision!r} cannot be a branch; allowed: letters, digits and . _ - / inside"
        )


def set_request_timeouts() -> None:
    """Have every request of huggingface_hub end, for the rest of this process.

    By itself it waits for an answer for ever. Its client is replaced, so this is for a command, not
    for a library.
    """
    from huggingface_hub import get_session, set_client_factory

    usual = get_session()
    kind, own = type(usual), usual.event_hooks
    hooks: dict[str, Any] = {**own, "request": [*own["request"], _limit]}
    set_client_factory(lambda: kind(event_hooks=hooks, follow_redirects=True, timeout=None))


def _limit(request: Any) -> None:
    # A default of the client would not do: some requests say None, which means for ever.
    asked = request.extensions.get("timeout", {})
    given = {name: seconds for name, seconds in asked.items() if seconds is not None}
    request.extensions["timeout"] = {**LIMITS, **given}


def push(planned: UploadPlan, private: bool = False, message: str | None = None) -> str:
    """Upload an export in one commit; the repository and the branch are made if need be.

    Arguments
    ---------
    planned : Plan
        From ``plan``.
    private : bool
        Whether only its owners see the repository. One that is public is refused.
    message : str, optional
        Of the commit.

    Returns
    -------
    str
        The URL of the commit; of the last one, if the hub has these very files.

    Raises
    ------
    PushError
        If nobody is logged in, may not write there, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi, constants, get_token

    if constants.HF_HUB_OFFLINE:
        raise PushError("HF_HUB_OFFLINE is set, so nothing is sent; unset it, or give --dry-run")
    try:
        if not get_token():
            raise PushError(f"nobody is logged in to the hub: give {LOG_IN}")
        return _push(HfApi(), planned, private, message or f"camser {metadata.version('camser')}")
    except PushError:
        raise
    except Exception as error:  # its own, its HTTP library's and its storage's, by its version
        raise PushError(explain_upload_error(error, planned.repo)) from error


def _push(api: HfApi, planned: UploadPlan, private: bool, message: str) -> str:
    repo, branch = planned.repo, planned.revision
    info = _model(api, repo) or _create(api, repo, private)
    if private and not info.private:
        raise PushError(
            f"{repo} exists and is public; make it private in its settings on the hub, or leave "
            f"--private out"
        )
    other = (info.config or {}).get("model_type", "camser")
    if other != "camser":
        raise PushError(f"{repo} holds a model of another kind, {other!r}; give another name")
    if branch not in (None, "main"):
        api.create_branch(repo, branch=branch, exist_ok=True)
        info = api.model_info(repo, revision=branch)
    done = api.create_commit(
        repo,
        _operations(planned, info),
        commit_message=message,
        revision=branch,
        parent_commit=info.sha,
    )
    return done.commit_url


def _model(api: HfApi, repo: str) -> ModelInfo | None:
    """The hub's description of a repository, or None; a hub that is silent is given up early."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.model_info(repo, timeout=LIMITS["connect"])
    except RepositoryNotFoundError as error:
        if status_of(error) != 404:  # with 401 it is the token
            raise
        return None


def _create(api: HfApi, repo: str, private: bool) -> ModelInfo:
    # None leaves it to the organisation's rule, which may be private too.
    api.create_repo(repo, private=private or None, exist_ok=True)
    info = _model(api, repo)
    if info is None:
        kinds = [kind for kind in ("dataset", "space") if api.repo_exists(repo, repo_type=kind)]
        kind = kinds[0] if kinds else "something that your token does not see"
        raise PushError(f"{repo} exists and is no model but a {kind}; give another name")
    return info


def _operations(planned: UploadPlan, info: ModelInfo) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    names = [path.name for path in planned.files]
    there = {sibling.rfilename for sibling in info.siblings or ()}
    stale = [name for name in DERIVED_FILES if name in there and name not in names]
    return [
        *(CommitOperationAdd(path.name, path) for path in planned.files),
        *(CommitOperationDelete(name) for name in stale),
    ]
