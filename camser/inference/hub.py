"""Find an exported model: a local folder, or one downloaded from the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from camser.inference.export_files import ExportError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


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
    from camser.inference.hub_download import download  # not where a folder is given

    return download(source, revision, graph)
