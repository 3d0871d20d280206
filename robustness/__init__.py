"""Campaigns of kills, damage, untrusted input and load against camser."""

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
# IEMOCAP's preparation, and bench's harness, which describes the machine and writes tables.
sys.path += [str(_ROOT / "recipes/IEMOCAP"), str(_ROOT / "bench")]
