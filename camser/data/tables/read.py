"""Read labels from a table, from folders, or from the files of another toolkit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from camser.data.tables import (
    audformat_database,
    emobox,
    files,
    folders,
    hugging_face,
    kaldi,
    parquet,
)
from camser.data.tables.columns import TableError
from camser.data.tables.rows import Rows
from camser.data.tables.table import Table, build_table

READERS: dict[str, Callable[[Path], Rows]] = {
    "table": files.read,
    "tables": files.read_splits,
    "folders": folders.read,
    "kaldi": kaldi.read,
    "emobox": emobox.read,
    "audio_folder": hugging_face.read_audio_folder,
}
FORMS = (*READERS, "audformat", "parquet")


def read_table(
    source: str | Path,
    columns: Mapping[str, str | None] | None = None,
    form: str | None = None,
    corpus: str | None = None,
    labels: Sequence[str] | None = None,
    merge_labels: Mapping[str, str] | None = None,
    allow_missing: bool = False,
    folder: str | Path | None = None,
    audio_folder: str | Path | None = None,
) -> Table:
    """Read labelled recordings, and check all that can be checked without decoding them.

    Arguments
    ---------
    source : str or Path
        A CSV, TSV, JSON-lines or Parquet file, or SpeechBrain's JSON or CSV; a folder of such files
        that are named after splits; a folder of folders that are named after emotions; a data
        folder of Kaldi, a database of audformat, metadata of EmoBox; an audio folder or Parquet
        files as Hugging Face's ``datasets`` has them, or the name of such on the hub.
    columns : mapping of str to str or None
        The source's name of a column of ``columns.COLUMNS`` that is not recognized; None: the
        column is not used.
    form : str, optional
        One of ``FORMS``; recognized by default.
    corpus : str, optional
        The corpus's name; that of the source by default.
    labels : sequence of str, optional
        The emotions to select; all by default.
    merge_labels : mapping of str to str
        Emotions to relabel as another, e.g. excited as happy.
    allow_missing : bool
        Leave out the rows that have a problem, with a warning, instead of raising.
    folder : str or Path, optional
        Where relative paths begin; by default the source's folder.
    audio_folder : str or Path, optional
        Where audio is written that a data set holds in no file.

    Returns
    -------
    Table
        The scanner for ``prepare``: ``prepare(table, table.data_folder, …)``.

    Raises
    ------
    TableError
        If anything is wrong; it lists all problems.

    Example
    -------
    >>> import tempfile, soundfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     for number in range(4):
    ...         soundfile.write(f"{place}/{number}.wav", [0.0] * 800, 16000)
    ...     rows = "wav;mood\\n0.wav;up\\n1.wav;down\\n2.wav;up\\n3.wav;down\\n"
    ...     _ = Path(place, "moods.csv").write_text(rows)
    ...     table = read_table(f"{place}/moods.csv", columns={"emotion": "mood"})
    >>> table.labels, table.speakers_known, table.utterances[1].id
    (['down', 'up'], False, 'moods/1.wav')
    """
    path = Path(source)
    if not path.exists():
        path = hugging_face.download(str(source))
    form = form or recognize(path)
    if form not in FORMS:
        raise TableError(f"form is {form!r}; allowed: {', '.join(FORMS)}")
    if form == "audformat":
        content = audformat_database.read(path, columns or {})
        columns = {name: own and name for name, own in (columns or {}).items()}
    elif form == "parquet":
        place = None if audio_folder is None else Path(audio_folder)
        content = (hugging_face.read_shards if path.is_dir() else parquet.read)(path, place)
    else:
        content = READERS[form](path)
    if folder is not None:
        content = content._replace(folder=Path(folder))
    name = corpus or path.absolute().stem
    options = columns, labels, merge_labels, allow_missing
    return build_table(content, str(source), name, *options)


def recognize(path: Path) -> str:
    """The form of a file or folder, one of ``FORMS``."""
    if path.is_file():
        return "parquet" if path.suffix in parquet.SUFFIXES else "table"
    tests: dict[str, Callable[[Path], object]] = {
        "kaldi": kaldi.is_kaldi,
        "audformat": audformat_database.is_database,
        "emobox": emobox.is_emobox,
        "tables": files.split_files,
        "audio_folder": hugging_face.metadata_files,
        "parquet": hugging_face.shards,
    }
    return next((form for form, is_it in tests.items() if is_it(path)), "folders")
