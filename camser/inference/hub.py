"""Find an exported model: a local folder, or one downloaded from the Hugging Face hub."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import OfflineModeIsEnabled, RevisionNotFoundError

from camser.inference.export_files import CONFIG, WEIGHTS, ExportError, data_of
from camser.inference.hub_errors import HUB_ERRORS, explain_hub_error
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
        folder = snapshot_download(
            source,
            revision=revision,
            allow_patterns=[CONFIG, WEIGHTS, *((graph, data_of(graph)) if graph else ())],
            local_files_only=refusal is not None,
        )
    except HUB_ERRORS as error:
        raise ExportError(
            f"{source}: there is no such folder, the hub's cache does not have it, and "
            f"{explain_hub_error(refusal or error)}"
        ) from (refusal or error)
    if refusal is not None and not isinstance(refusal, OfflineModeIsEnabled):
        logger.warning("%s is taken from the hub's cache: %s", source, name_and_message(refusal))
    return Path(folder)


def _probe_hub(source: str, revision: str | None) -> Exception | None:
    """Ask the hub for a model once; returns the error if only the cache can be used, else None.

    ``snapshot_download`` would wait forever for a hub that does not answer.
    """
    try:
        timeout = constants.HF_HUB_ETAG_TIMEOUT
        info = HfApi().model_info(source, revision=revision, timeout=timeout)
    except RevisionNotFoundError as error:
        raise ExportError(f"{source}, {revision!r}: {explain_hub_error(error)}") from error
    except HUB_ERRORS as error:
        return error
    if not {CONFIG, WEIGHTS} <= {file.rfilename for file in info.siblings or ()}:
        raise ExportError(
            f"{source} is not an exported model: it must have {CONFIG} and {WEIGHTS}; upload one "
            f"with `camser push DIR {source}`"
        )
    return None
