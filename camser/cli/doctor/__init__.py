"""``camser doctor``: checks the installed packages, and prints what to install."""
