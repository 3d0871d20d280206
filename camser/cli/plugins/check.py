"""The conformance kit on an installed plugin: one line per check, as soon as it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from camser.cli.plugins.show import PLACEHOLDERS
from camser.components import check_parameters, load_plugin_class
from camser.testing import ENCODER_CHECKS, CheckResult, run_checks

MARKS = {"passed": "ok", "xfailed": "expected", "failed": "FAILED", "xpassed": "FAILED"}
SUMMARY = {"ok": "ok", "expected": "expected to fail", "FAILED": "FAILED"}
INDENT = 10  # of the details of a failed check
WIDTH = max(map(len, ENCODER_CHECKS))


def check(kind: str, name: str, params: Mapping[str, Any]) -> bool:
    """Run all checks of a plugin, and print the result of each and a summary.

    Arguments
    ---------
    kind : str
        "encoder", "fusion" or "back_end".
    name : str
        As a recipe writes it.
    params : mapping
        Its parameters.

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
    check_parameters(plugin, name, *PLACEHOLDERS[kind], **params)
    counts: Counter[str] = Counter()
    for result in run_checks(plugin, **params):
        mark = MARKS[result.status]
        counts[mark] += 1
        print(f"{mark:{INDENT}}{result.check.name:{WIDTH}}  {_details(result)}", flush=True)
    totals = ", ".join(f"{counts[mark]} {words}" for mark, words in SUMMARY.items() if counts[mark])
    print(f"{counts.total()} checks: {totals}")
    return not counts["FAILED"]


def _details(result: CheckResult) -> str:
    """What was checked, with notes or, if it failed, the reason."""
    if result.status == "xfailed":
        return f"expected to fail: {result.message}"
    if result.status == "xpassed":
        return result.message
    lines = result.message.splitlines()[result.status == "failed" :]  # without what was checked
    return f"\n{' ' * INDENT}".join(line.strip() for line in [result.check.description, *lines])
