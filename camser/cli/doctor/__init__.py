"""``camser doctor``: what is installed here, whether it works together, what to install."""
