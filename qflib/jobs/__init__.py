"""Notebooks run as jobs."""
