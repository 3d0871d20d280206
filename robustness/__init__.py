"""Campaigns of kills, damage, untrusted input and load against camser."""

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
# The preparations of corpora, and bench's harness, which describes the machine and writes tables.
sys.path += [str(_ROOT / f"recipes/{corpus}") for corpus in ("IEMOCAP", "EmoDB", "RAVDESS")]
sys.path.append(str(_ROOT / "bench"))
