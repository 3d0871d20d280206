"""``camser cite``: BibTeX for what runs used. The entries are in ``cite.bib``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ENTRY = re.compile(r"^% (?P<use>[^\n]+)\n(?P<entry>@\w+\{.+?^\}\n)", re.M | re.S)
ALWAYS = "always"
IS_EMOBOX = re.compile(r"^emobox: +(?!null)\S", re.M)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add this command."""
    cite = commands.add_parser("cite", help="print BibTeX for what runs used")
    cite.add_argument(
        "folders", nargs="+", metavar="RUN", help="the folder of a run, or one that contains runs"
    )
    cite.set_defaults(run=_cite)


def _cite(arguments: argparse.Namespace) -> None:
    from camser.evaluation.results import RESULTS

    folders = {path.parent for f in arguments.folders for path in Path(f).rglob(RESULTS)}
    if not folders:
        given = ", ".join(arguments.folders)
        raise ValueError(f"no {RESULTS} below {given}; give the output folder of a finished run")
    print(bibliography({use for folder in folders for use in uses(folder)}))


def bibliography(used: set[str]) -> str:
    """The entries of these uses, and a comment for each use without one.

    >>> print(bibliography({"corpus my_calls"}).splitlines()[-1])
    % corpus my_calls: no reference is known to camser; look where you got it
    """
    known = dict(entries())
    shown = [known[use] for use in known if use.startswith(ALWAYS) or use in used]
    unknown = sorted(used - known.keys())
    comments = [f"% {u}: no reference is known to camser; look where you got it" for u in unknown]
    return "\n".join([*shown, *comments]).replace("VERSION", metadata.version("camser"))


def entries() -> Iterator[tuple[str, str]]:
    """Each entry of ``cite.bib``, after what it is cited for."""
    text = Path(__file__).with_suffix(".bib").read_text(encoding="utf-8")
    for number, found in enumerate(ENTRY.finditer(text)):
        use = found["use"]
        yield (f"{ALWAYS} {number}" if use == ALWAYS else use), found["entry"]


def uses(folder: Path) -> Iterator[str]:
    """What a run used that is to be cited: "corpus emodb", "encoder hubert", "fusion gated", …"""
    from camser.data.manifest import MANIFEST
    from camser.evaluation.results import ARCHITECTURE, RECIPE, RESULTS, read_results
    from camser.runtime.safe_io import parse_csv, read_json, read_text

    results = read_results(folder / RESULTS)
    own = {use for use, _ in entries()}
    architecture = folder / ARCHITECTURE
    built = read_json(architecture)["encoders"] if architecture.is_file() else {}
    for name, plugin in results["plugins"].items():
        config = built.get(name, {}).get("config") or {}
        use = f"{plugin['kind']} {config.get('model_type', plugin['plugin'])}"
        if use in own or plugin["distribution"] != "camser":
            yield use
    manifest = folder / MANIFEST
    rows = parse_csv(read_text(manifest), ["corpus"]) if manifest.is_file() else [results]
    yield from {f"corpus {row['corpus']}" for row in rows}
    recipe = folder / RECIPE
    if recipe.is_file() and IS_EMOBOX.search(read_text(recipe)):
        yield "recipe emobox"
