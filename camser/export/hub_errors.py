"""Why the hub does not take an export: each refusal as one line that says what to do."""

from __future__ import annotations

from camser.inference.hub import exception_chain, one_line, status_of

LOG_IN = "`hf auth login`, or set HF_TOKEN to a token that may write"


class PushError(OSError):
    """The hub does not take an export; the message says what to do."""


def explain_upload_error(error: Exception, repo: str) -> str:
    """What an error of huggingface_hub means to who uploads an export, and what to do.

    Arguments
    ---------
    error : Exception
        Raised while uploading.
    repo : str
        "user/name".

    Returns
    -------
    str
        One line.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HTTPError

    if isinstance(error, ValueError):  # what it says of the card, or of a file
        return f"the hub does not take the export: {' '.join(str(error).split())}"
    status = status_of(error)
    remedies = {
        401: f"it does not accept your token; give {LOG_IN}",
        403: f"your token may not write to {repo}; give {LOG_IN} there, or another name",
        412: f"{repo} changed meanwhile; give the command again",
        429: "it is busy; give the command again later",
    }
    if status is not None:
        otherwise = "give the command again later" if status >= 500 else "check name and token"
        return f"the hub refuses (HTTP {status}{_said(error)}): {remedies.get(status, otherwise)}"
    # huggingface_hub wraps what stops the upload of a file in a RuntimeError.
    for cause in exception_chain(error):
        if isinstance(cause, (HTTPError, OSError)):
            return (
                f"the hub ({constants.ENDPOINT}) cannot be reached, or stopped answering "
                f"({one_line(cause)}): check the network, HTTPS_PROXY and HF_ENDPOINT, and give "
                f"the command again; what has arrived is not sent twice"
            )
    return f"the hub does not take the export: {one_line(error)}"


def _said(error: Exception) -> str:
    # Not the whole message: it may hold a signed address, which is a key to the storage.
    said = (getattr(cause, "server_message", None) for cause in exception_chain(error))
    return next((f", {' '.join(text.split())}" for text in said if text), "")
