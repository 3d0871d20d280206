"""The conformance kit on an installed plugin: one line per check, as soon as it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from camser import registry
from camser.build import load_plugin_class
from camser.cli.plugins.show import PLACEHOLDERS
from camser.testing import CheckResult, checks_of, run_checks

MARKS = {"kept": "ok", "expected": "expected", "broken": "FAILED", "unexpected": "FAILED"}
SUMMARY = {"ok": "ok", "expected": "expected to fail", "FAILED": "FAILED"}
INDENT = 10  # of the details of a failed check


def check(kind: str, name: str, params: Mapping[str, Any], tell: Callable[[str], None]) -> bool:
    """Run all checks of a plugin.

    Arguments
    ---------
    kind : str
        "encoder" or "fusion".
    name : str
        As a recipe writes it.
    params : mapping
        Its parameters.
    tell : callable
        Called with the line of each check as soon as it is known, and last with a summary.

    Returns
    -------
    bool
        Whether all checks pass, except the expected failures that the class declares.

    Raises
    ------
    PluginError
        If the plugin cannot be loaded, or does not take the parameters.
    """
    plugin = load_plugin_class(kind, name)
    registry.check_parameters(plugin, name, *PLACEHOLDERS[kind], **params)
    width = max(len(c.name) for c in checks_of(plugin, **params))
    counts: Counter[str] = Counter()
    for outcome in run_checks(plugin, **params):
        mark = MARKS[outcome.status]
        counts[mark] += 1
        tell(f"{mark:{INDENT}}{outcome.check.name:{width}}  {_details(outcome)}")
    totals = ", ".join(f"{counts[mark]} {words}" for mark, words in SUMMARY.items() if counts[mark])
    tell(f"{counts.total()} checks: {totals}")
    return not counts["FAILED"]


def _details(outcome: CheckResult) -> str:
    """What a passed check shows, with its notes; of a failed one, the reason."""
    if outcome.status == "expected":
        return f"expected to fail: {outcome.told}"
    if outcome.status == "unexpected":
        return f"passed although expected to fail ({outcome.check.reason}): take that out"
    lines = [outcome.check.promise, *outcome.told.splitlines()[outcome.status == "broken" :]]
    return f"\n{' ' * INDENT}".join(line.strip() for line in lines)
