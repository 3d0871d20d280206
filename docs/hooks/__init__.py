"""Sphinx extensions for this site. Each file holds one."""
