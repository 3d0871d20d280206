"""Check a model folder, and upload it to the Hugging Face hub in one commit."""

from __future__ import annotations

import os
import re
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id

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
from camser.inference.hub import HUB_ID
from camser.inference.hub_errors import HUB_ERRORS, LOG_IN, explain_hub_error

EXPORT_FILES = CONFIG, WEIGHTS, RECIPE, CARD, ONNX, ONNX_DATA, INT8
# They depend on the weights: a push deletes old ones that the new model does not have.
DERIVED_FILES = RECIPE, ONNX, ONNX_DATA, INT8
BRANCH = re.compile(r"[A-Za-z0-9](?!.*(?:\.\.|//))[\w./-]*(?<![./])")
TIMEOUT = 10.0  # seconds, for requests without a file


class PushError(OSError):
    """A model folder could not be uploaded; the message gives the next step."""


class UploadPlan(NamedTuple):
    """The files to upload, and their target.

    Attributes
    ----------
    repo : str
        "user/name".
    revision : str or None
        The branch.
    files : tuple of Path
        The files of the exported model.
    left_out : tuple of str
        Other files in its folder.
    """

    repo: str
    revision: str | None
    files: tuple[Path, ...]
    left_out: tuple[str, ...]


def plan(folder: str | Path, repo: str, revision: str | None = None) -> UploadPlan:
    """Check a model folder and the target of its upload, without any network access.

    Arguments
    ---------
    folder : str or Path
        The model folder.
    repo : str
        "user/name".
    revision : str, optional
        A branch; by default the main one.

    Raises
    ------
    ExportError
        If the model cannot be loaded, or one of its files is a link.
    ValueError
        If ``repo`` or ``revision`` is not a valid name on the hub.
    """
    _check_names(repo, revision)
    config, _ = read(folder)
    graphs = {**graph_files(config, ONNX), **graph_files(config, INT8)}
    for name, record in graphs.items():
        check_file(Path(folder) / name, record)
    inside = sorted(Path(folder).iterdir())
    # Models that the first versions exported have no records of graphs.
    unknown = {ONNX, ONNX_DATA, INT8} - set(graphs) if "onnx" in config else {INT8}
    wanted = set(EXPORT_FILES) - unknown
    own = {path.name: path for path in inside if path.name in wanted and path.is_file()}
    for path in own.values():
        if path.is_symlink():  # its target may be any file of this machine
            raise ExportError(
                f"{path} is a link to {os.readlink(path)}; a folder to push must not have "
                f"links: copy the folder with `cp -rL`, and check the files in the copy"
            )
    left_out = tuple(path.name for path in inside if path.name not in own)
    return UploadPlan(
        repo, revision, tuple(own[name] for name in EXPORT_FILES if name in own), left_out
    )


def _check_names(repo: str, revision: str | None) -> None:
    if not HUB_ID.fullmatch(repo):
        raise ValueError(f"{repo!r} is not an id on the hub; give user/name or organization/name")
    validate_repo_id(repo)
    if revision is not None and not BRANCH.fullmatch(revision):
        raise ValueError(
            f"{revision!r} cannot be a branch; allowed: letters, digits and . _ - / inside"
        )


def push(planned: UploadPlan, private: bool = False, message: str | None = None) -> str:
    """Upload a model folder in one commit; create the repository and the branch if necessary.

    Arguments
    ---------
    planned : UploadPlan
        From ``plan``.
    private : bool
        Whether the repository is private. An existing public repository is then an error.
    message : str, optional
        The message of the commit.

    Returns
    -------
    str
        The URL of the commit. If the hub already has these files, that of its last commit.

    Raises
    ------
    PushError
        If there is no login, no permission to write, or no connection to the hub.
    """
    if not get_token():
        raise PushError(f"you are not logged in to the hub: {LOG_IN}")
    try:
        return _push(HfApi(), planned, private, message or f"camser {metadata.version('camser')}")
    except PushError:
        raise
    except HUB_ERRORS as error:
        raise PushError(
            f"{planned.repo} is not uploaded: {explain_hub_error(error)}; large files "
            f"that have arrived are not sent again"
        ) from error


def _push(api: HfApi, planned: UploadPlan, private: bool, message: str) -> str:
    repo, branch = planned.repo, planned.revision
    try:
        info = api.model_info(repo, timeout=TIMEOUT)
    except RepositoryNotFoundError as error:
        if error.response.status_code != 404:  # 401 is an error of the token
            raise
        # None: the default of the organization, which may be private too.
        api.create_repo(repo, private=private or None)
        info = api.model_info(repo, timeout=TIMEOUT)
    if private and not info.private:
        raise PushError(
            f"{repo} exists and is public; make it private in its settings on the hub, or omit "
            f"--private"
        )
    other = (info.config or {}).get("model_type", "camser")
    if other != "camser":
        raise PushError(f"{repo} holds a model of another kind, {other!r}; give another name")
    if branch not in (None, "main"):
        api.create_branch(repo, branch=branch, exist_ok=True)
        info = api.model_info(repo, revision=branch, timeout=TIMEOUT)
    names = [path.name for path in planned.files]
    commit = api.upload_folder(
        repo_id=repo,
        folder_path=planned.files[0].parent,
        allow_patterns=names,
        delete_patterns=[name for name in DERIVED_FILES if name not in names],
        commit_message=message,
        revision=branch,
        parent_commit=info.sha,  # the upload fails if somebody else changes the model meanwhile
    )
    return commit.commit_url
