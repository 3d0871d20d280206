"""Find an exported model: a local folder, or one downloaded from the Hugging Face hub."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from camser.inference.export_files import CONFIG, WEIGHTS, ExportError, graph_files
from camser.inference.export_folder import read_config
from camser.runtime.messages import name_and_message

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
logger = logging.getLogger(__name__)


def locate_model(source: str | Path, revision: str | None = None, graph: str | None = None) -> Path:
    """The folder that ``source`` names; from the hub, only the needed files are downloaded.

    If the hub does not answer within ``HF_HUB_ETAG_TIMEOUT`` seconds (10 by default), the files in
    its cache are used.

    Arguments
    ---------
    source : str or Path
        A folder, or "user/name" on the hub.
    revision : str, optional
        On the hub: a branch, a tag or a commit.
    graph : str, optional
        The ONNX file that is needed in addition to description and weights.

    Returns
    -------
    Path
        The local folder, or the folder of one commit in the hub's cache.

    Raises
    ------
    ExportError
        If there is no such folder, and no such model on the hub or in its cache.
    """
    if Path(source).is_dir():
        return Path(source)
    if isinstance(source, Path) or not HUB_ID.fullmatch(source):
        raise ExportError(
            f"{source}: there is no such folder, and it is not a hub id such as user/name; make "
            f"one with `camser export RUN DIR`"
        )
    refusal = _probe_hub(source, revision)
    try:
        folder = _fetch(source, revision, graph, cached=refusal is not None)
    except ExportError:
        raise
    except _hub_exceptions() as error:
        raise ExportError(_explain(refusal or error, source, revision)) from (refusal or error)
    if refusal is not None and not _offline(refusal):
        logger.warning("%s is taken from the hub's cache: %s", source, name_and_message(refusal))
    return folder


def _hub_exceptions() -> tuple[type[Exception], ...]:
    """The errors of huggingface_hub; HTTPError is from its HTTP library."""
    from huggingface_hub.errors import HTTPError

    return HTTPError, OSError, ValueError, RuntimeError


def _probe_hub(source: str, revision: str | None) -> Exception | None:
    """Request ``config.json`` once; returns the error if only the cache can be used, else None.

    Without an answer, ``hf_hub_download`` would retry for minutes, ``snapshot_download`` forever.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import RemoteEntryNotFoundError, RevisionNotFoundError

    try:
        url = hf_hub_url(source, CONFIG, revision=revision)
        get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    except (RemoteEntryNotFoundError, RevisionNotFoundError) as error:
        raise ExportError(_explain(error, source, revision)) from error
    except _hub_exceptions() as error:
        return error
    return None


def _fetch(source: str, revision: str | None, graph: str | None, cached: bool) -> Path:
    """Download all files from one commit, since a branch may move between the requests."""
    from huggingface_hub import hf_hub_download

    config = hf_hub_download(source, CONFIG, revision=revision, local_files_only=cached)
    folder = Path(config).parent
    options: dict[str, Any] = {"revision": folder.name, "local_files_only": cached}
    hf_hub_download(source, WEIGHTS, **options)
    for name in graph_files(read_config(folder), graph) if graph else ():
        hf_hub_download(source, name, **options)
    return folder


def _offline(error: Exception) -> bool:
    from huggingface_hub.errors import OfflineModeIsEnabled

    return isinstance(error, OfflineModeIsEnabled)


def _explain(error: Exception, source: str, revision: str | None) -> str:
    from huggingface_hub import constants, errors

    if _offline(error):
        return (
            f"{source}: there is no such folder, the hub's cache does not have it, and "
            f"HF_HUB_OFFLINE forbids a download: unset it once, or give a folder"
        )
    if isinstance(error, errors.HFValidationError):
        return f"{source} is neither a folder nor a hub id: {name_and_message(error)}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{source} has no revision {revision!r}; give one of its branches, tags or commits"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return (
            f"{source} is not an exported model: it must have {CONFIG} and {WEIGHTS}; upload one "
            f"with `camser push DIR {source}`"
        )
    if isinstance(error, errors.GatedRepoError):
        return f"{source} is gated: ask for access on its page on the hub, then `hf auth login`"
    status = status_of(error)
    if isinstance(error, errors.RepositoryNotFoundError) or status == 401:
        return (
            f"{source}: there is no such folder, and the hub shows no such model: check the name; "
            f"for a private one give `hf auth login`, or set HF_TOKEN"
        )
    if status is not None:
        remedy = "try again later" if status >= 500 or status == 429 else "check HF_ENDPOINT"
        return f"{source}: the hub ({constants.ENDPOINT}) answers with HTTP {status}; {remedy}"
    return (
        f"{source}: there is no such folder, the hub's cache does not have it, and the hub "
        f"({constants.ENDPOINT}) cannot be reached: {name_and_message(error)}; check the network, "
        f"HTTPS_PROXY and HF_ENDPOINT"
    )


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its cause, the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def status_of(error: BaseException) -> int | None:
    """The HTTP status of an error of huggingface_hub, if it has one."""
    responses = (getattr(cause, "response", None) for cause in exception_chain(error))
    return next((response.status_code for response in responses if response is not None), None)
