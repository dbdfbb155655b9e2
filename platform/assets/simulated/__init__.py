"""Simulated traffic and the check that knows its figures: registered by definitions.py, and in production neither registered nor imported."""
