"""``camser plugins``: what is installed, what it is, whether it keeps its promises, a new one."""
