"""Where an export lies: a folder, or one fetched from the Hugging Face hub."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from camser.inference.export_files import CONFIG, WEIGHTS, ExportError, graph_files
from camser.inference.export_folder import read_config

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
logger = logging.getLogger(__name__)


def locate_model(source: str | Path, revision: str | None = None, graph: str | None = None) -> Path:
    """The folder that ``source`` names; of one on the hub only what is needed is fetched.

    A hub that does not answer is given up after ``HF_HUB_ETAG_TIMEOUT`` seconds (10 by default);
    what its cache holds is then used.

    Arguments
    ---------
    source : str or Path
        A folder, or "user/name" on the hub.
    revision : str, optional
        On the hub: a branch, a tag or a commit.
    graph : str, optional
        The ONNX file that is needed besides description and weights.

    Returns
    -------
    Path
        The folder, or that of one commit in the hub's cache.

    Raises
    ------
    ExportError
        If there is neither such a folder nor, on the hub or in its cache, such a model.
    """
    if Path(source).is_dir():
        return Path(source)
    if isinstance(source, Path) or not HUB_ID.fullmatch(source):
        raise ExportError(
            f"{source}: there is no such folder, and it is no hub id such as user/name; make one "
            f"with `camser export RUN DIR`"
        )
    refusal = _probe_hub(source, revision)
    try:
        found = _fetch(source, revision, graph, cached=refusal is not None)
    except ExportError:
        raise
    except _hub_exceptions() as error:
        raise ExportError(_explain(refusal or error, source, revision)) from (refusal or error)
    if refusal is not None and not _offline(refusal):
        logger.warning("%s is taken from the hub's cache: %s", source, one_line(refusal))
    return found


def _hub_exceptions() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises; HTTPError is that of the HTTP library it is built on."""
    from huggingface_hub.errors import HTTPError

    return HTTPError, OSError, ValueError, RuntimeError


def _probe_hub(source: str, revision: str | None) -> Exception | None:
    """Ask the hub once for ``config.json``; why the cache alone is left, or None.

    ``hf_hub_download`` would ask a silent hub for minutes, ``snapshot_download`` for ever.
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
    """The files of one commit: a branch may move between the requests."""
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
            f"{source}: there is no such folder, the hub's cache does not hold it, and "
            f"HF_HUB_OFFLINE forbids to fetch it: unset that once, or give a folder"
        )
    if isinstance(error, errors.HFValidationError):
        return f"{source} is neither a folder nor a hub id: {one_line(error)}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{source} has no revision {revision!r}; give one of its branches, tags or commits"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return (
            f"{source} is no export: it must hold {CONFIG} and {WEIGHTS}; upload one with "
            f"`camser push DIR {source}`"
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
        f"{source}: there is no such folder, the hub's cache does not hold it, and the hub "
        f"({constants.ENDPOINT}) cannot be reached: {one_line(error)}; check the network, "
        f"HTTPS_PROXY and HF_ENDPOINT"
    )


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what caused it, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of huggingface_hub came with, if any."""
    responses = (getattr(cause, "response", None) for cause in exception_chain(error))
    return next((found.status_code for found in responses if found is not None), None)


def one_line(error: BaseException) -> str:
    """What an error says, on one line.

    Example
    -------
    >>> one_line(ValueError("no such\\n\\n  thing"))
    'ValueError: no such thing'
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
