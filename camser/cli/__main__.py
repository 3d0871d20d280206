"""``python -m camser.cli``."""

from camser.cli import main

main()
