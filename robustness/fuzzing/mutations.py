"""What is done to files on purpose: bytes, lines, tables and trees that nobody would write."""

from __future__ import annotations

import copy
import io
import json
import math
import struct
import zipfile
from collections.abc import Iterator
from random import Random
from typing import Any

from camser.runtime.digests import add_digest

# Sizes, rates and counts at which headers go wrong.
NUMBERS = (
    0, 1, 2, 3, 7, 8, 255, 256, 1024, 7999, 8000, 44100, 65535, 65536, 2**24, 2**31 - 1, 2**31,
    2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
TEXTS = (
    "", "0", "-1", "nan", "inf", "-inf", "1e999", "1e-999", "9" * 400, "9" * 5000, "\0", "\n", "\r",
    "\u2028", "\x0b", "\x1c", "\ufeff", '"', '""', "'", ",", "\t", "..", "../../x", "/etc/passwd",
    "\\\\host\\x", "C:\\x", "file:///etc/passwd", "a" * 200_000, "é", "😀", "\ud7ff", "{", "[", "<",
    "None", "null", "true", "%s", "${x}", "{0}", "Ses01F_impro01_", "_F", "[1.0 - 2.0]",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**12, 10**400, 0.5, -0.5, 1e308, math.nan,
    math.inf, -math.inf, "", "x", "nan", "../x", "a" * 10_000, [], {}, [None], [[]], {"": None},
    ["x", "x"], {"plugin": "x"}, {"source": "x"}, list(range(1000)),
)  # fmt: skip


def bytes_of(random: Random, seed: bytes) -> bytes:
    """A file's bytes with one to six things done to them."""
    data = bytearray(seed)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        _hurt(random, data)
    return bytes(data)


def _hurt(random: Random, data: bytearray) -> None:
    # Headers are at the beginning: half of everything is done there.
    room = len(data) if random.random() < 0.5 else min(len(data), 96)
    at, kind = random.randrange(room + 1), random.randrange(8)
    if kind == 0:
        data[at : at + 1] = bytes([random.randrange(256)])
    elif kind == 1 and at < len(data):
        data[at] ^= 1 << random.randrange(8)
    elif kind in (2, 3):
        width, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
        value = random.choice(NUMBERS) % 2 ** (8 * width)
        data[at : at + width] = value.to_bytes(width, order)
    elif kind == 4:
        del data[at : at + random.choice((1, 2, 4, 16, 1000))]
    elif kind == 5:
        data[at:at] = random.randbytes(random.choice((1, 4, 64)))
    elif kind == 6:
        piece = data[at : at + random.choice((4, 8, 32, 512))]
        data[at:at] = piece * random.choice((1, 2, 50))
    else:
        del data[random.randrange(len(data) + 1) :]


def text_of(random: Random, seed: str) -> bytes:
    """A text file with one to six places made hostile; now and then its bytes too."""
    text = seed
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        lines = text.split("\n")
        at, kind = random.randrange(len(lines)), random.randrange(6)
        line = lines[at]
        if kind == 0:
            start = random.randrange(len(line) + 1)
            end = start + random.choice((0, 1, 4, 100))
            line = line[:start] + random.choice(TEXTS) + line[end:]
        elif kind == 1:
            parts = line.split(cut := random.choice((",", "\t", " ", ":")))
            parts[random.randrange(len(parts))] = random.choice(TEXTS)
            line = cut.join(parts)
        elif kind == 2:
            lines.insert(at, random.choice(lines))
        elif kind == 3:
            line = random.choice(TEXTS)
        elif kind == 4:
            del lines[random.randrange(len(lines)) :]
            lines, at, line = lines or [""], 0, (lines or [""])[0]
        else:
            line = line[: random.randrange(len(line) + 1)]
        lines[at] = line
        text = "\n".join(lines)
    data = text.encode("utf-8", "surrogatepass")
    return bytes_of(random, data) if random.random() < 0.2 else data


def tree_of(random: Random, seed: Any) -> bytes:
    """JSON with one to four of its values replaced, left out or nested; now and then its bytes."""
    tree = copy.deepcopy(seed)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        if not tree:
            break
        holder, key = random.choice(list(_places(tree)))
        kind = random.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[random.choice((*TEXTS[:20], "plugin", "source"))] = holder.pop(key)
        elif kind == 2 and isinstance(holder[key], (int, float)):
            holder[key] = random.choice((*NUMBERS, -1, 10**9, 10**12, 0.1, 1e300))
        else:
            holder[key] = copy.deepcopy(random.choice(VALUES))
    text = json.dumps(tree)
    if random.random() < 0.03:
        text = text.replace("1", "[" * random.choice((500, 100_000)), 1)
    return bytes_of(random, text.encode()) if random.random() < 0.1 else text.encode()


def forged(data: bytes) -> bytes:
    """JSON with the digest of its own content made right, where it is still a table."""
    try:
        tree = json.loads(data)
        return json.dumps(add_digest(tree)).encode() if isinstance(tree, dict) else data
    except (ValueError, RecursionError):
        return data


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every (holder, key) of a tree."""
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], (dict, list)):
            yield from _places(tree[key])


def safetensors_of(random: Random, seed: bytes) -> bytes:
    """Weights whose header, the length before it, or whose data are hostile."""
    size = int.from_bytes(seed[:8], "little")
    header, data = json.loads(seed[8 : 8 + size]), seed[8 + size :]
    kind = random.randrange(6)
    if kind == 0:
        return bytes_of(random, seed)
    if kind in (4, 5):
        return seed[: 8 + size] + _values_of(random, data)
    if kind == 1:
        return random.choice(NUMBERS).to_bytes(16, "little")[:8] + seed[8:]
    if kind == 2:
        one = random.choice([name for name in header if name != "__metadata__"])
        other = random.choice([name for name in header if name != "__metadata__"])
        what = random.choice(("dtype", "shape", "data_offsets"))
        strange = (
            "F64", "BOOL", "F8_E5M2", "I32", "U32", [], [0], [2**62, 2], [-1], [0, 2**63],
            header[other][what],
        )  # fmt: skip
        header[one][what] = random.choice(strange)
        changed = json.dumps(header).encode()
    else:
        changed = tree_of(random, header)
    return len(changed).to_bytes(8, "little") + changed + data


def _values_of(random: Random, data: bytes) -> bytes:
    """Floats of 32 bits, one to three of them not as training leaves them."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 3))):
        at = 4 * random.randrange(len(data) // 4)
        value = random.choice((math.nan, math.inf, -math.inf, 3e38, 1e-45, 0.0, -1e9))
        changed[at : at + 4] = struct.pack("<f", value)
    return bytes(changed)


def npz_of(random: Random, seed: bytes) -> bytes:
    """Arrays in a hostile zip, or with hostile headers in a sound one."""
    if random.random() < 0.4:
        return bytes_of(random, seed)
    stream = io.BytesIO()
    shapes = (
        "(2, 3)", "(10**12,)", f"({2**62}, 4)", "(-1,)", "(0, 5)", "()", "(2,) * 9", "(1e3,)", "x",
    )  # fmt: skip
    kinds = ("<f4", "|O", "<U0", "<U9", "<M8[s]", "V0", "[('a', '<f4')]", "(9999,9999)<f4", "x")
    header = (
        f"{{'descr': {random.choice(kinds)!r}, 'fortran_order': {random.choice((True, False))}, "
        f"'shape': {random.choice(shapes)}, }}\n"
    ).encode()
    data = bytes([0x93]) + b"NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    data += bytes(random.choice((0, 24, 2**20)))
    with zipfile.ZipFile(stream, "w", random.choice((0, 8, 12, 14))) as file:
        for name in random.sample(("fused.npy", "../x.npy", "/x", "x"), random.choice((1, 2))):
            file.writestr(name, data)
    return bytes_of(random, stream.getvalue()) if random.random() < 0.3 else stream.getvalue()


def ogg_checked(data: bytes) -> bytes:
    """The same with the right checksum in each page of Ogg."""
    data, at = bytearray(data), 0
    while (at := data.find(b"OggS", at)) >= 0:
        end = at + 27 + (data[at + 26] if len(data) > at + 26 else 0)
        end += sum(data[at + 27 : end])
        if end > len(data):
            break
        data[at + 22 : at + 26] = bytes(4)
        data[at + 22 : at + 26] = _checksum(data[at:end]).to_bytes(4, "little")
        at += 4
    return bytes(data)


def _checksum(page: bytes) -> int:
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ TABLE[value >> 24 ^ byte]
    return value


def _entry(value: int) -> int:
    value <<= 24
    for _ in range(8):
        value = value << 1 ^ (0x104C11DB7 if value & 2**31 else 0)
    return value


TABLE = [_entry(byte) for byte in range(256)]
