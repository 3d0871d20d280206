"""``camser plugins``: list, show, check and create plugins, and draw models."""
