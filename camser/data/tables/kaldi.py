"""A Kaldi data folder: wav.scp, and perhaps segments, utt2spk, utt2emo, text, spk2gender."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from camser.data.tables.columns import TableError
from camser.data.tables.rows import Row, Rows
from camser.data.tables.text_files import open_text

LABELS = ("utt2emo", "utt2emotion", "utt2label")  # the first that there is; else text is the label
COLUMNS = ("file", "emotion", "speaker", "start", "end", "gender", "text", "language")


def is_kaldi(path: Path) -> bool:
    """Whether it is such a folder."""
    return (path / "wav.scp").is_file()


def read(folder: Path) -> Rows:
    """Its utterances. A speaker that is named as the utterance is unknown, as is Kaldi's habit."""
    tables = {path.name: _table(path) for path in sorted(folder.iterdir()) if path.is_file()}
    label = next((name for name in LABELS if name in tables), "text")
    if label not in tables:
        raise TableError(f"{folder} has neither {', '.join(LABELS)} nor text, so no labels")
    return Rows(COLUMNS, _rows(tables, label), folder, "utterance")


def _table(path: Path) -> dict[str, str]:
    """The first word of each line, and the rest."""
    if path.name not in (
        "wav.scp",
        "segments",
        "utt2spk",
        "text",
        "spk2gender",
        "utt2lang",
        *LABELS,
    ):
        return {}
    with open_text(path) as file:
        lines = (line.strip().split(maxsplit=1) for line in file)
        try:
            return {line[0]: line[1] if len(line) > 1 else "" for line in lines if line}
        except UnicodeError as error:
            raise TableError(f"{path} is not UTF-8 text: {error}") from error


def _rows(tables: dict[str, dict[str, str]], label: str) -> Iterator[Row]:
    def of(table: str, key: str) -> str:
        return tables.get(table, {}).get(key, "")

    segments = tables.get("segments") or {name: f"{name} 0 -1" for name in tables["wav.scp"]}
    for name, segment in segments.items():
        recording, start, end = [*segment.split(), "", "", ""][:3]
        file = of("wav.scp", recording)
        if not file or file.endswith("|"):
            problem = f"{file!r} is a command; only files are read" if file else "is not in wav.scp"
            yield name, f"recording {recording!r} {problem}"
            continue
        speaker = of("utt2spk", name)
        yield (
            name,
            {
                "file": file,
                "emotion": of(label, name),
                "speaker": "" if speaker == name else speaker,
                "start": start,
                "end": "" if end.startswith("-") else end,
                "gender": of("spk2gender", speaker),
                "text": "" if label == "text" else of("text", name),
                "language": of("utt2lang", name),
            },
        )
