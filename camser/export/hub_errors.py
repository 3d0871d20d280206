"""Errors of an upload to the hub, each as one line with the next step."""

from __future__ import annotations

from camser.inference.hub import exception_chain, status_of
from camser.runtime.messages import name_and_message, one_line

LOG_IN = "`hf auth login`, or set HF_TOKEN to a token that may write"


class PushError(OSError):
    """The hub does not accept a model folder; the message gives the next step."""


def explain_upload_error(error: Exception, repo: str) -> str:
    """Explain an error of huggingface_hub during an upload, and give the next step.

    Arguments
    ---------
    error : Exception
        The error of the upload.
    repo : str
        "user/name".

    Returns
    -------
    str
        One line.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HTTPError

    if isinstance(error, ValueError):  # about the model card, or a file
        return f"the hub does not accept the folder: {one_line(error)}"
    status = status_of(error)
    remedies = {
        401: f"it does not accept your token; give {LOG_IN}",
        403: f"your token may not write to {repo}; give {LOG_IN} there, or another name",
        412: f"{repo} has changed during the upload; run the command again",
        429: "it is busy; run the command again later",
    }
    if status is not None:
        default = "run the command again later" if status >= 500 else "check name and token"
        remedy = remedies.get(status, default)
        return f"the hub refuses (HTTP {status}{_server_message(error)}): {remedy}"
    # huggingface_hub wraps an error in the upload of a file in a RuntimeError.
    for cause in exception_chain(error):
        if isinstance(cause, (HTTPError, OSError)):
            return (
                f"the hub ({constants.ENDPOINT}) cannot be reached, or stopped answering "
                f"({name_and_message(cause)}): check the network, HTTPS_PROXY and HF_ENDPOINT, and "
                f"run the command again; complete files are not sent again"
            )
    return f"the hub does not accept the folder: {name_and_message(error)}"


def _server_message(error: Exception) -> str:
    # Not the complete message: it may have a signed URL, which gives access to the storage.
    texts = (getattr(cause, "server_message", None) for cause in exception_chain(error))
    return next((f", {one_line(text)}" for text in texts if text), "")
