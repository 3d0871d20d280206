"""Predictions to scores, files and reports."""
