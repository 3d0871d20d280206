"""The harness of all campaigns: what was tried, what happened, whether anything was lost.

A campaign tries kinds of faults, each many times, and counts what happened. What must never
happen counts as lost too: a run that went on from other weights, a hang, a traceback of ours.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import measurement, tables

ROOT = Path(__file__).parents[2]

RESULTS = ROOT / "robustness/results"
LOST = "LOST: "


class Tally:
    """What happened at each fault, by its name."""

    def __init__(self) -> None:
        self.happened: dict[str, Counter[str]] = {}
        self.losses: list[str] = []

    def add(self, fault: str, happened: str, times: int = 1) -> None:
        """Count what is as it should be: ``add("SIGKILL while training", "same weights")``."""
        self.happened.setdefault(fault, Counter())[happened] += times

    def lose(self, fault: str, happened: str, how: str) -> None:
        """Count what must never happen, and keep how it is repeated."""
        self.add(fault, f"{LOST}{happened}")
        self.losses.append(f"{fault}: {happened}\n{how}")
        print(self.losses[-1], file=sys.stderr, flush=True)

    def count(self, fault: str, came: str, how: str) -> None:
        """Count what came of a trial; where that begins with ``LOST: ``, its first line is told."""
        if came.startswith(LOST):
            self.lose(fault, came.removeprefix(LOST).split("\n")[0][:200], how)
        else:
            self.add(fault, came)

    def rows(self) -> list[dict[str, Any]]:
        """A row of the table for each fault."""
        return [
            {
                "fault": fault,
                "tried": counts.total(),
                "what happened": ", ".join(f"{k}: {n}" for k, n in sorted(counts.items())),
                "lost": sum(n for k, n in counts.items() if k.startswith(LOST)),
            }
            for fault, counts in self.happened.items()
        ]


def _command(run: Callable, asked: argparse.Namespace) -> str:
    """What makes the same campaign again."""
    script = Path(sys.modules[run.__module__].__file__ or "").relative_to(ROOT).with_suffix("")
    words = ["python", "-m", ".".join(script.parts)]
    for name, value in vars(asked).items():
        if name != "output" and value not in (None, ""):
            words += [f"--{name}", *(map(str, value) if isinstance(value, list) else [str(value)])]
    return " ".join(words)


def main(
    run: Callable[[argparse.Namespace, Tally], None],
    number: int | None,
    argv: Sequence[str] | None = None,
    parser: argparse.ArgumentParser | None = None,
) -> None:
    """Run a campaign as its command line asks; ends with 1 where anything was lost.

    Arguments
    ---------
    run : callable
        Fills the tally; it reads ``number`` and ``seed`` of the arguments.
    number : int
        How many trials of each kind, by default; None where nothing is drawn.
    argv : sequence of str, optional
        In place of the process's arguments.
    parser : ArgumentParser, optional
        With what else the campaign takes.
    """
    # What is started in the background ignores Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = parser or argparse.ArgumentParser(description=sys.modules[run.__module__].__doc__)
    if number is not None:
        parser.add_argument("--number", type=int, default=number, help=f"of trials; {number}")
        parser.add_argument("--seed", type=int, default=0, help="what is drawn; 0")
    parser.add_argument("--output", type=Path, help="a JSON file")
    asked = parser.parse_args(argv)
    tally = Tally()
    run(asked, tally)
    print(f"\n{tables.markdown(tally.rows())}")
    if asked.output:
        told = {"command": _command(run, asked), "machine": measurement.machine()}
        tables.write_json(asked.output, {**told, "rows": tally.rows()})
    if tally.losses:
        sys.exit(f"{len(tally.losses)} lost")
