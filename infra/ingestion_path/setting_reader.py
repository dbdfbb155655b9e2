"""Reads one `clickstream:*` key at a time and refuses what it cannot mean, with one line that names the key.

Values come as strings whatever the YAML said, lists as JSON. The reader remembers which keys it was asked for, so
that it can refuse those that nobody reads.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret


def refuse(key: str, reason: str) -> NoReturn:
    """End the program with one line that names the setting."""
    raise pulumi.RunError(f"clickstream:{key} {reason}")


class SettingReader:
    """Each method reads and checks one key; `refuse_unknown` comes last."""

    def __init__(self) -> None:
        self._config = pulumi.Config("clickstream")
        self._known: set[str] = set()

    def text(self, key: str, pattern: str, expected: str, default: str | None = None) -> str:
        """A string that matches `pattern` in full; without a default it is required."""
        value = self.optional_text(key, pattern, expected)
        if value is not None:
            return value
        if default is None:
            refuse(key, f"is missing ({expected}): set it with `pulumi config set {key} …`")
        return default

    def optional_text(self, key: str, pattern: str, expected: str) -> str | None:
        self._known.add(key)
        value = self._config.get(key)
        if value is not None and not re.fullmatch(pattern, value):
            refuse(key, f"is {value!r}: expected {expected}")
        return value

    def number(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number, `low` and `high` included."""
        value = self.optional_number(key, low, high)
        if value is not None:
            return value
        if default is None:
            refuse(key, f"is missing (a whole number from {low} to {high}): set it with `pulumi config set {key} …`")
        return default

    def optional_number(self, key: str, low: int, high: int) -> int | None:
        value = self.optional_text(key, r"-?\d+", f"a whole number from {low} to {high}")
        if value is not None and not low <= int(value) <= high:
            refuse(key, f"is {value}: expected a whole number from {low} to {high}")
        return None if value is None else int(value)

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        return self.text(key, "|".join(choices), f"one of {', '.join(choices)}", default)

    def flag(self, key: str, default: bool) -> bool:
        return self.text(key, "true|false", "true or false", str(default).lower()) == "true"

    def words(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list with at least one string in it; without a default it is required. No comma in a word: they travel in
        a comma list.
        """
        value = self.optional_text(key, r"(?s)\[.+\]", "a list with at least one entry")
        if value is None:
            if default is None:
                refuse(
                    key, "is missing (a list with at least one entry): write it in the stack's file as [first, second]"
                )
            return default
        try:
            words = json.loads(value)
        except ValueError:
            refuse(key, "is no list: write it as [first, second] in the stack's file")
        if not words or not all(isinstance(word, str) and word and "," not in word for word in words):
            refuse(key, "is not a list of words with at least one in it")
        return tuple(words)

    def secret(self, key: str, pattern: str, expected: str) -> pulumi.Output[str]:
        """A value that must be stored encrypted. It is checked here, and never shown in a message."""
        value = self.optional_secret(key, pattern, expected)
        if value is None:
            refuse(key, f"is missing ({expected}): set it with `pulumi config set --secret {key}`")
        return value

    def optional_secret(self, key: str, pattern: str, expected: str) -> pulumi.Output[str] | None:
        self._known.add(key)
        value = self._config.get(key)
        if value is None:
            return None
        if not is_config_secret(f"clickstream:{key}"):
            refuse(
                key,
                f"is stored in plain text: replace it, and set it with `pulumi config set --secret {key}`",
            )
        if not re.fullmatch(pattern, value):
            refuse(key, f"does not look right: expected {expected}")
        return pulumi.Output.secret(value)

    def refuse_unknown(self) -> None:
        given = {
            key.removeprefix("clickstream:")
            for key in {**get_config_env(), **CONFIG.get()}
            if key.startswith("clickstream:")
        }
        for key in sorted(given - self._known):
            refuse(key, f"is no setting of this program: remove it with `pulumi config rm {key}`, or fix its spelling")
