"""What may be kept of a refused request's payload: parsed, every address override in it cut, written anew; else nothing.

A payload is whatever somebody sent: JSON, lines of it, a form, one inside the other, or none of these. One that does not
mention the override (`uip`) in any spelling is kept letter by letter. Of the others each mention has to be the name of a
value that was read and cut; where one is left over (multipart, XML, broken JSON, a sentence) nobody can tell where the
address is, and the payload is dropped: its size and the reason of the rejection stay. So is an address in a text that is
neither form nor JSON: a line of a batch may be the rest of the line before it.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

from collector.spellings import count, readings, words_in
from collector.texts import BLANKS, read_json, write_json

# How deep payloads may be wrapped in each other (JSON in a string of JSON in a form).
_MAX_DEPTH = 8
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]{12,}={0,2}\s*")
# A part of a multipart body under such an encoding says nothing to us.
_ENCODED_PART = "content-transfer-encoding"


# What is kept of an override's value, as text.
Cut = Callable[[Any], str]


class _Unreadable(ValueError):
    """It mentions an address that cannot be distinguished from the rest."""


def scrub(payload: str, cut: Cut) -> str | None:
    """The payload with every override in it cut; None where it cannot be kept. Raises nothing."""
    try:
        if _is_opaque(payload):
            return None
        if not count("uip", payload):
            return None if has_address(payload) and not _is_read(payload) else payload
        scrubber = _Scrubber(cut)
        scrubbed = scrubber.text(payload)
        return scrubbed if count("uip", scrubbed) <= scrubber.names else None
    except (ValueError, RecursionError):
        return None


def hides_address(text: str) -> bool:
    """Whether a text mentions the override and has something like an address."""
    return count("uip", text) > 0 and has_address(text)  # the quicker one first


def _is_read(text: str) -> bool:
    if "=" in text:
        return True
    try:
        read_json(text)
    except ValueError:
        return False
    return True


def has_address(text: str) -> bool:
    """Whether something in a text, in any reading, looks like an address."""
    if "." not in text and ":" not in text and "%" not in text and "\\" not in text and "&" not in text:
        return False
    return any(_ADDRESS.search(reading) for reading in readings(text))


def _is_opaque(payload: str) -> bool:
    """Whether a mention is packed away where it cannot be cut."""
    if "transfer" in payload.lower() and any(_ENCODED_PART in reading for reading in readings(payload)):
        return True
    if _BASE64.fullmatch(payload) is None:
        return False
    packed = "".join(payload.split()).rstrip("=").translate({45: 43, 95: 47})
    try:
        unpacked = b64decode(packed + "=" * (-len(packed) % 4))
    except binascii.Error:
        return False
    return count("uip", unpacked.decode("utf-8", "replace")) > 0


class _Scrubber:
    """Rewrites one payload. `names` counts the overrides it has cut."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self.names = 0

    def text(self, text: str, depth: int = 0) -> str:
        if not count("uip", text):
            return text
        if depth > _MAX_DEPTH:
            raise _Unreadable
        if text.strip(BLANKS)[:1] in ("{", "[", '"'):
            try:
                value = read_json(text)
            except ValueError:
                value = None
            if value is not None:
                return write_json(self._value(value, depth + 1))
        lines = [line for line in _LINE_ENDS.split(text) if line.strip(BLANKS)]
        if len(lines) > 1:
            return "\n".join(self._line(line, depth + 1) for line in lines)
        if lines[0].strip(BLANKS)[0] in ("{", "[", '"'):
            raise _Unreadable
        return self._form(text, depth)

    def _line(self, line: str, depth: int) -> str:
        """A line of a batch: a hit of its own. One that looks like none may be the rest of what came before it."""
        if line.strip(BLANKS)[0] not in ("{", "[") and "=" not in line:
            raise _Unreadable
        return self.text(line, depth)

    def _value(self, value: Any, depth: int) -> Any:
        if depth > 4 * _MAX_DEPTH:
            raise _Unreadable
        if type(value) is str:
            return self.text(value, depth + 1)
        if isinstance(value, list):
            return [self._value(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        scrubbed: dict[str, Any] = {}
        for name, item in value.items():
            if "uip" in words_in(name):
                scrubbed[_harmless(name)] = self._cut(item)
            else:
                scrubbed[name] = self._value(item, depth + 1)
        self.names += sum(count("uip", name) for name in scrubbed)
        return scrubbed

    def _form(self, text: str, depth: int) -> str:
        pairs = []
        for pair in text.split("&"):
            name, equals, value = pair.partition("=")
            if "uip" in words_in(name):
                if not equals:
                    raise _Unreadable
                name = _harmless(name)
                self.names += count("uip", name)
                value = quote(self._cut(unquote_plus(value)), safe=":")
            elif count("uip", value):
                value = quote_plus(self.text(unquote_plus(value), depth + 1))
            pairs.append(name + equals + value)
        return "&".join(pairs)


@lru_cache(maxsize=256)
def _harmless(name: str) -> str:
    """The name of an override, unless an address may hide in the name itself."""
    longest = max(readings(name), key=len)
    digits = sum(letter.isdigit() for letter in longest)
    return name if len(longest) <= 64 and digits <= 3 and longest.count(":") <= 1 else "uip"
