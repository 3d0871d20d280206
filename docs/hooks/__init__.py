"""Sphinx extensions of this site, one idea a file."""
