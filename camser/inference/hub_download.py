"""Download an exported model from the Hugging Face hub, or find it in the hub's cache."""

from __future__ import annotations

import logging
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import OfflineModeIsEnabled, RevisionNotFoundError

from camser.inference.export_files import CONFIG, WEIGHTS, ExportError, data_of
from camser.inference.hub_errors import HUB_ERRORS, explain_hub_error
from camser.runtime.messages import name_and_message

logger = logging.getLogger(__name__)


def download(source: str, revision: str | None, graph: str | None) -> Path:
    """The folder of one commit in the hub's cache; arguments and errors as ``locate_model``."""
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
