"""Where an export lies: a folder, or one fetched from the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from camser.inference.folder import CONFIG, WEIGHTS, ExportError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def find(source: str | Path, revision: str | None = None) -> Path:
    """The folder that ``source`` names; of one on the hub only two files are fetched.

    Arguments
    ---------
    source : str or Path
        A folder, or "user/name" on the hub.
    revision : str, optional
        On the hub: a branch, a tag or a commit.

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
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = snapshot_download(source, revision=revision, allow_patterns=[CONFIG, WEIGHTS])
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(
            f"{source}: there is no such folder, and the hub gave no such model: {reason[0]}"
        ) from error
    return Path(found)
