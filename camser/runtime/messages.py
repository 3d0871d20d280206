"""Messages of errors that are short, on one line, and safe to print."""

from __future__ import annotations

from collections.abc import Iterator


def one_line(message: object, most: int = 500) -> str:
    """A message, e.g. an error, on one line of at most ``most`` characters.

    Example
    -------
    >>> one_line(ValueError("no such\\n\\n  thing"))
    'no such thing'
    """
    return " ".join(str(message).split())[:most]


def name_and_message(error: BaseException) -> str:
    """The type and the message of an error, on one line.

    Example
    -------
    >>> name_and_message(ValueError("no such\\n\\n  thing")), name_and_message(EOFError())
    ('ValueError: no such thing', 'EOFError')
    """
    return one_line(f"{type(error).__name__}: {error}").removesuffix(":")


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its cause, the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def escape_control_characters(text: str) -> str:
    """A text that is safe to show in a terminal: control characters are written as escapes.

    Example
    -------
    >>> escape_control_characters("a\\x1b[2Jä.wav")
    'a\\\\x1b[2Jä.wav'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
