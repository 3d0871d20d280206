"""What was measured of recordings, kept in the user's cache until their files change."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

logger = logging.getLogger(__name__)
TABLE = """CREATE TABLE IF NOT EXISTS cache
           (recording TEXT, kind TEXT, state TEXT, value BLOB, PRIMARY KEY (recording, kind))"""
GET = "SELECT value FROM cache WHERE recording = ? AND kind = ? AND state = ?"
PUT = "INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?)"
EVERY = 50  # values between two commits: so many are lost by an interruption


def default_path() -> Path:
    """``camser/data.sqlite`` in the user's cache folder."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "camser" / "data.sqlite"


class Cache:
    """Values by recording and kind, in an SQLite file; in memory, where that cannot be used.

    Arguments
    ---------
    path : Path, optional
        The file, which is made if needed; None: in memory.

    Example
    -------
    >>> cache = Cache(None)
    >>> cache.put("a.wav", "length", "5 bytes", b"3")
    >>> cache.get("a.wav", "length", "5 bytes"), cache.get("a.wav", "length", "6 bytes")
    (b'3', None)
    >>> cache.close()
    """

    def __init__(self, path: Path | None) -> None:
        self.path, self._written = path, 0
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path or ":memory:", timeout=10)
            self._database.execute(TABLE)
        except (OSError, sqlite3.Error) as error:
            self._use_memory(error)

    def get(self, recording: str, kind: str, state: str) -> bytes | None:
        """A value; None if there is none, or if the recording had another state."""
        try:
            row = self._database.execute(GET, (recording, kind, state)).fetchone()
        except sqlite3.Error as error:
            self._use_memory(error)
            return None
        return row[0] if row and isinstance(row[0], bytes) else None

    def put(self, recording: str, kind: str, state: str, value: bytes) -> None:
        """Keep a value in place of that of another state."""
        try:
            self._database.execute(PUT, (recording, kind, state, value))
            self._written += 1
            if self._written % EVERY == 0:
                self._database.commit()
        except sqlite3.Error as error:
            self._use_memory(error)

    def close(self) -> None:
        """Write all that was put."""
        try:
            self._database.commit()
        except sqlite3.Error as error:
            self._use_memory(error)
        self._database.close()

    def _use_memory(self, error: Exception) -> None:
        logger.warning("%s cannot be used (%s); measurements are not kept", self.path, error)
        self._database = sqlite3.connect(":memory:")
        self._database.execute(TABLE)
