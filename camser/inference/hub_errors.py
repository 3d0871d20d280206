"""Errors of huggingface_hub, each as one line with the next step."""

from __future__ import annotations

from huggingface_hub import constants, errors

from camser.runtime.messages import exception_chain, name_and_message, one_line

LOG_IN = "`hf auth login`, or set HF_TOKEN"
# What huggingface_hub raises; HTTPError is from its HTTP library.
HUB_ERRORS = errors.HTTPError, OSError, ValueError, RuntimeError
UNREACHABLE = (
    "the hub ({endpoint}) cannot be reached, or stopped answering ({cause}); check the network, "
    "HTTPS_PROXY and HF_ENDPOINT"
)
# The first row that fits an error or one of its causes.
SENTENCES: dict[type[BaseException], str] = {
    errors.OfflineModeIsEnabled: "HF_HUB_OFFLINE forbids a request; unset it once",
    errors.GatedRepoError: f"it is gated; ask for access on its page on the hub, then {LOG_IN}",
    errors.RevisionNotFoundError: "it has no such revision; give a branch, a tag or a commit",
    errors.RepositoryNotFoundError: (
        f"the hub shows no such model; check the name; for a private one {LOG_IN}"
    ),
    errors.HfHubHTTPError: "the hub ({endpoint}) answers with HTTP {answer}",
    errors.HTTPError: UNREACHABLE,
    ConnectionError: UNREACHABLE,
}
REMEDIES = {
    401: f"it does not accept your token; {LOG_IN}",
    403: f"your token may not do this; {LOG_IN}, or give another name",
    409: "there is a private model, a dataset or a space of this name; give another name",
    412: "it has changed during the upload; run the command again",
    429: "it is busy; run the command again later",
}


def explain_hub_error(error: BaseException) -> str:
    """What happened and what to do, on one line.

    Example
    -------
    >>> explain_hub_error(errors.OfflineModeIsEnabled("as usual"))
    'HF_HUB_OFFLINE forbids a request; unset it once'
    """
    if type(error) is ValueError:  # says more than its cause, e.g. what is wrong in the model card
        return name_and_message(error)
    for kind, sentence in SENTENCES.items():
        for cause in exception_chain(error):
            if isinstance(cause, kind):
                answer = _answer(cause) if isinstance(cause, errors.HfHubHTTPError) else ""
                facts = {"endpoint": constants.ENDPOINT, "cause": name_and_message(cause)}
                return sentence.format(answer=answer, **facts)
    return name_and_message(error)


def _answer(error: errors.HfHubHTTPError) -> str:
    """The status, the hub's words and what to do."""
    status, words = error.response.status_code, error.server_message
    # Not the complete message: it may have a signed URL, which gives access to the storage.
    said = f" ({one_line(words)})" if words else ""
    rest = "run the command again later" if status >= 500 else "check the name and HF_ENDPOINT"
    return f"{status}{said}: {REMEDIES.get(status, rest)}"
