"""Command line and YAML to checked settings."""
