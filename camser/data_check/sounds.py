"""Findings about recordings that cannot be read, are silent, clipped or odd in another way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from camser.data_check.finding import MAX_EXAMPLES, Finding, counted, listed, of_all
from camser.data_check.recording import Recording

LISTEN = "listen; leave out, or record again, what holds no speech"
REMEDIES = {  # by the kinds of ``audio.quality``
    "reading": "get the files again; they may be cut short or damaged",
    "near-empty": LISTEN,
    "silent": LISTEN,
    "no speech": LISTEN,
    "out of range": "divide the samples by 32768, and write the files again",
    "clipped": "record less loud; if one class is clipped, it can be told by that alone",
    "quiet": "record louder, or amplify",
}
NAMES = {"reading": "incomplete or damaged recordings", "near-empty": "near-empty recordings",
         "silent": "silent recordings", "no speech": "recordings without speech",
         "out of range": "samples beyond full scale", "clipped": "clipped recordings",
         "quiet": "nearly silent recordings"}  # fmt: skip
FEWEST = 10  # recordings that by chance have one length no more
SHARE = 0.05  # of a class: from here on, its score is of something else


def find(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """A finding for each kind of oddity; nothing of recordings that were not measured."""
    yield from _one_length(recordings)
    unreadable = [r for r in recordings if r.problem]
    if unreadable:
        yield Finding(
            "unreadable recordings", "serious",
            f"{of_all(len(unreadable), len(recordings))} cannot be read: "
            f"{unreadable[0].problem}{_more(unreadable)}.",
            "get the files again, or leave the rows out",
            {"recordings": len(unreadable)}, [r.problem for r in unreadable[:MAX_EXAMPLES]],
        )  # fmt: skip
    sizes = Counter(r.emotion for r in recordings)
    of_kind: dict[str, list[Recording]] = defaultdict(list)
    messages = defaultdict(list)
    for r in recordings:
        for kind, message in r.measures.oddities if r.measures else ():
            of_kind[kind].append(r)
            messages[kind].append(f"{r.name} ({r.emotion}) {message}")
    for kind, rows in of_kind.items():
        counts = Counter(r.emotion for r in rows).most_common()
        shown = [f"{name} {number} of {sizes[name]}" for name, number in counts]
        share = max(number / sizes[name] for name, number in counts)
        yield Finding(
            NAMES[kind], "serious" if share > SHARE else "check",
            f"{of_all(len(rows), len(recordings))}: {messages[kind][0]}{_more(rows)}. By class: "
            f"{listed(shown)}.",
            REMEDIES[kind],
            {"recordings": len(rows), "largest_share_of_class": share},
            messages[kind][:MAX_EXAMPLES],
        )  # fmt: skip


def _one_length(recordings: Sequence[Recording]) -> Iterator[Finding]:
    lengths = Counter(r.measures.seconds for r in recordings if r.measures)
    if lengths.total() < FEWEST:
        return
    (seconds, number), *_ = lengths.most_common()
    if number > lengths.total() / 2:
        yield Finding(
            "recordings of one length", "check",
            f"{of_all(number, lengths.total())} last exactly {seconds:g} s, as if all were cut or "
            f"padded to it: words may be missing at their end.",
            "listen to some; get the original files if they end in a word",
            {"recordings": number, "seconds": seconds},
        )  # fmt: skip


def _more(rows: Sequence[Recording]) -> str:
    return f", and {counted(len(rows) - 1, 'other')}" if len(rows) > 1 else ""
