#!/usr/bin/env python3
"""Long load: many files through ``camser classify``, and many requests at the page.

python -m robustness.demo.load --number 10000 --minutes 60
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from robustness.demo import http_client, sample_audio
from robustness.fuzzing import malicious_exports
from robustness.harness import report
from robustness.harness.report import Tally

DIFFERENT = 300  # recordings; the others are links to them
BROKEN_EACH = 97  # every so many files, one is no recording
CLIENTS = 4
PAUSE = 0.5  # seconds between two questions of a client
GROWTH = 40  # MB that a process may grow by, once it is warm: what its allocator keeps differs
KEPT_ALIVE = 7  # seconds after which uvicorn has closed an idle connection
WARM = 0.15  # the share of the load after which it is


class Held(NamedTuple):
    """What a process holds."""

    megabytes: float
    files: int
    threads: int


def held(pid: int) -> Held:
    """By Linux's own count; the files include connections."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    files = len(os.listdir(f"/proc/{pid}/fd"))
    return Held(int(status["VmRSS"].split()[0]) / 1024, files, int(status["Threads"]))


def write_files(folder: Path, number: int) -> list[tuple[str, bool]]:
    """``number`` files in order, and whether each is a recording."""
    originals, files = folder / "originals", []
    originals.mkdir(parents=True)
    for index in range(min(DIFFERENT, number)):
        (originals / f"{index}.wav").write_bytes(sample_audio.wav(0.3 + index % 5 * 0.3))
    for index in range(number):
        path = folder / f"{index // 1000:03}" / f"{index:06}.wav"
        path.parent.mkdir(exist_ok=True)
        if broken := index % BROKEN_EACH == BROKEN_EACH - 1:
            path.write_bytes(b"no sound")
        else:
            path.hardlink_to(originals / f"{index % DIFFERENT}.wav")
        files.append((str(path), not broken))
    return files


def classify(export: Path, root: Path, number: int, tally: Tally) -> None:
    """One process, all files by one list; its rows in order, its memory flat."""
    files = write_files(root / "many", number)
    (root / "list").write_text("".join(f"{path}\n" for path, _ in files))
    good = [path for path, is_good in files if is_good]
    command = [http_client.COMMAND, "classify", "--model", export, "--device=cpu", "--csv",
               "--engine=torch", "--file-list", root / "list"]  # fmt: skip
    begun = time.monotonic()
    with open(root / "errors", "w+") as errors:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        ) as process:  # fmt: skip
            got, marks = [], {round(len(good) * share) for share in (WARM, 0.5, 0.95)}
            seen = []
            for row in csv.DictReader(process.stdout):
                got.append(row["source"])
                if len(got) in marks:
                    seen.append(held(process.pid))
        code = process.returncode
        errors.seek(0)
        told = errors.read()
    fault, how = f"camser classify, {number} files", f"{seen} {code} {told[-500:]}"
    missing = [path for path, is_good in files if not is_good and path not in told]
    if got != good or missing or code != 1 or "Traceback" in told:
        tally.lose(fault, f"{len(got)} of {len(good)} rows, {len(missing)} broken not named", how)
    elif _grew(seen):
        tally.lose(fault, f"grew: {_figures(seen)}", how)
    else:
        rate = len(files) / (time.monotonic() - begun)
        told = f"{_figures(seen)}; {rate:.0f} files/s"
        tally.add(fault, f"complete, in order, broken ones named; {told}", times=number)


def page(export: Path, root: Path, minutes: float, tally: Tally) -> None:
    """Uploads, questions and mistakes by several clients at once, for so long."""
    root.mkdir()
    with http_client.page(export, root, "--max-upload-mb=1") as shown:
        end = time.monotonic() + 60 * minutes
        begun, seen = time.monotonic(), []
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(_client, shown, end, n) for n in range(CLIENTS)]
            for share in (WARM, 0.5, 0.95):
                time.sleep(max(0.0, begun + 60 * minutes * share - time.monotonic()))
                seen.append(held(shown.process.pid))
            counts = sum((client.result() for client in clients), Counter())
        seconds = time.monotonic() - begun
        time.sleep(KEPT_ALIVE)
        last = held(shown.process.pid)
        stray = [p for p in shown.folder.rglob("*") if p.is_file() and "uploads" not in p.parts]
    number = sum(counts.values())
    fault = f"the page, {minutes:g} minutes, {CLIENTS} clients"
    wrong = {kind: count for kind, count in counts.items() if kind.startswith("WRONG")}
    told = f"{_figures([*seen, last])}; {number / seconds:.1f} requests/s"
    how = f"{dict(counts)} {told} {stray} {shown.said[-800:]}"
    if wrong:
        tally.lose(fault, f"other answers: {wrong}", how)
    elif _grew(seen) or last.files > seen[0].files or shown.folder.exists():
        tally.lose(fault, f"grew: {told}", how)
    else:
        tally.add(fault, f"answered; {told}", times=number)


def _client(shown: http_client.Page, end: float, number: int) -> Counter[str]:
    """Ask one thing after the other; counts the answers."""
    kinds = (
        ("complete", "a.wav", sample_audio.wav(2.5), "classify"),
        ("complete", "b.wav", sample_audio.wav(4, 44100), "timeline"),
        ("error", "c.wav", b"no sound", "classify"),
        ("413", "d.wav", bytes(1_200_000), "classify"),
        ("complete", "e.flac", sample_audio.flac(3), "timeline"),
    )
    turn, counts = number, Counter()
    while time.monotonic() < end:
        expected, name, content, api_name = kinds[turn % len(kinds)]
        turn += 1
        time.sleep(PAUSE)
        try:
            answer = shown.question(name, content, api_name)
        except OSError as error:
            answer = repr(error)
        right = answer.startswith(expected)
        counts[expected if right else f"WRONG {answer[:80]}"] += 1
    return counts


def _grew(seen: list[Held]) -> bool:
    first, last = seen[0], seen[-1]
    return (
        last.megabytes > first.megabytes + GROWTH
        or last.files > first.files + 2 * CLIENTS
        or last.threads > first.threads + 2 * CLIENTS
    )


def _figures(seen: list[Held]) -> str:
    """From warm to the end."""
    told = (
        f"{name} {' → '.join(f'{getattr(held, field):.0f}' for held in seen)}"
        for name, field in (("MB", "megabytes"), ("files", "files"), ("threads", "threads"))
    )
    return ", ".join(told)


def run(asked: argparse.Namespace, tally: Tally) -> None:
    """``number`` files, and ``minutes`` of requests meanwhile."""
    if sys.platform != "linux":
        sys.exit("what a process holds is counted as Linux tells it; run this there")
    with tempfile.TemporaryDirectory(prefix="camser-load-") as folder:
        root = Path(folder).resolve()
        export = malicious_exports.good(root / "export")
        with ThreadPoolExecutor(2) as pool:
            files = pool.submit(classify, export, root, asked.number, tally)
            page(export, root / "page", asked.minutes, tally)
            files.result()


def parser() -> argparse.ArgumentParser:
    """With how long the page is asked."""
    found = argparse.ArgumentParser(description=__doc__)
    found.add_argument("--minutes", type=float, default=3, help="of requests at the page; 3")
    return found


if __name__ == "__main__":
    report.main(run, number=10_000, parser=parser())
