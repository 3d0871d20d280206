"""What a file is, by its first bytes, if it is no recording."""

from __future__ import annotations

HEAD_BYTES = 1024
KINDS = (  # the first bytes in lower case, what it is, and what to do
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the file itself; run `git lfs pull`",
    ),
    (b"<!doctype html", "a web page (HTML); download the recording itself"),
    (b"<html", "a web page (HTML); download the recording itself"),
    (b"<?xml", "an XML file; give the recording itself"),
    (b"#extm3u", "a playlist; give the recordings themselves"),
    (b"[playlist]", "a playlist; give the recordings themselves"),
    (b"pk\x03\x04", "a ZIP archive; unpack it first"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"rar!", "a RAR archive; unpack it first"),
    (b"%pdf", "a PDF; give a recording"),
    (b"\x89png", "an image (PNG); give a recording"),
    (b"\xff\xd8\xff", "an image (JPEG); give a recording"),
    (b"gif8", "an image (GIF); give a recording"),
    (b"\x93numpy", "a NumPy array; load it, and give the array from Python"),
)
SOUND = (b"RIFF", b"FORM", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\x1aE\xdf\xa3")


def describe(head: bytes) -> str:
    """A message on a file that no decoder knows.

    Example
    -------
    >>> describe(b"%PDF-1.7")
    'is a PDF; give a recording'
    """
    if not head:
        return "is empty; it has 0 bytes"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for beginning, kind in KINDS:
        if text.startswith(beginning):
            return f"is {kind}"
    if head.startswith(SOUND) or head[4:8] == b"ftyp":
        return "is damaged, or in an encoding that neither libsndfile nor FFmpeg decodes"
    if not head.strip(b"\0"):
        return f"is no recording; its first {len(head)} bytes are zero"
    return f"is no recording in a known format; it begins with {head[:12]!r}"
