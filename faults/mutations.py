"""What is done to files on purpose: bytes, lines, tables and trees that nobody would write."""

from __future__ import annotations

import copy
import json
import math
from random import Random
from typing import Any

# Sizes, rates and counts at which headers go wrong.
NUMBERS = (
    0, 1, 2, 3, 7, 8, 255, 256, 1024, 7999, 8000, 44100, 65535, 65536, 2**24, 2**31 - 1, 2**31,
    2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
TEXTS = (
    "", "0", "-1", "nan", "inf", "-inf", "1e999", "1e-999", "9" * 400, "9" * 5000, "\0", "\n", "\r",
    "\u2028", "\x0b", "\x1c", "\ufeff", '"', '""', "'", ",", ";", "\t", "..", "../../x", "/etc/passwd",
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
        holder, key = random.choice(list(_places(tree)))
        kind = random.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[random.choice((*TEXTS[:20], "plugin", "source"))] = holder.pop(key)
        elif kind == 2 and isinstance(holder[key], (int, float)):
            holder[key] = random.choice((*NUMBERS, -1, 10**9, 10**12, 0.1, 1e300))
        else:
            holder[key] = random.choice(VALUES)
    text = json.dumps(tree)
    if random.random() < 0.03:
        text = text.replace("1", "[" * random.choice((500, 100_000)), 1)
    return bytes_of(random, text.encode()) if random.random() < 0.1 else text.encode()


def _places(tree: Any):
    """Every (holder, key) of a tree; the tree itself always has one."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield tree, key
        if isinstance(tree[key], (dict, list)) and tree[key]:
            yield from _places(tree[key])
    if not keys:
        tree_key = "x" if isinstance(tree, dict) else 0
        tree.update({"x": 0}) if isinstance(tree, dict) else tree.append(0)
        yield tree, tree_key
