"""Scores, result files and reports, from predictions."""
