"""Trouble that is told in one line: what every command line of the project catches, and only that."""

from __future__ import annotations


class ExpectedError(Exception):
    """A program cannot go on, and knows why. The message is one line for whoever runs it: what is wrong, and what to do."""
