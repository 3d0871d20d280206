"""A finding, findings as text, and commands to paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Facts = Mapping[str, Any]  # what `probe.gather` returns


class Finding(NamedTuple):
    """A finding: ``mark`` is ok, note or wrong; ``remedy`` is a command to paste, or empty."""

    mark: str
    name: str
    found: str
    remedy: str = ""


def render(lines: Sequence[Finding]) -> str:
    """Findings as text, each remedy under its finding, and the number of wrong ones.

    Example
    -------
    >>> missing = Finding("wrong", "b", "not installed", pip("b>=2"))
    >>> print(render([Finding("ok", "a", "1.0"), missing]))
    ok    a                            1.0
    wrong b                            not installed
          $ pip install "b>=2"
    1 wrong
    """
    text = []
    for finding in lines:
        text.append(f"{finding.mark:6}{finding.name:29}{finding.found}")
        text += [f"{'':6}$ {finding.remedy}"] if finding.remedy else []
    wrong = sum(finding.mark == "wrong" for finding in lines)
    return "\n".join([*text, f"{wrong} wrong" if wrong else "nothing is wrong"])


def pip(*arguments: Any) -> str:
    """A pip command; an argument that a shell would interpret is quoted."""
    words = [f'"{a}"' if set("<>; ") & set(str(a)) else str(a) for a in arguments]
    return " ".join(["pip install", *words])
