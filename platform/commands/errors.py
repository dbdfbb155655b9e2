"""Trouble that a command expects and tells in one line."""

from __future__ import annotations


class CommandError(Exception):
    """A command cannot go on; the message is one line that says why and what to do."""
