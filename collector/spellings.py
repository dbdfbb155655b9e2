"""Finds a word of the protocol in whatever spelling a client hides it: `uip`, `UIP `, `%75ip`, `\\u0075ip`.

A text is read the way that some parser downstream might read it: percent signs, JSON and JavaScript escapes and HTML
entities decoded, again and again until nothing changes; letters folded to plain lower case, controls and marks left out.
A word counts where no other letter touches it: `data[uip]` has one, `quip` has none.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import unquote

# How often a text may be encoded in itself. What goes deeper is nobody's hit and counts as hiding every word.
_MAX_ROUNDS = 10
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_ESCAPES = re.compile(
    r"\\\\|[\\%]u(?:\{([0-9a-f]{1,6})\}|([0-9a-f]{4}))|\\x([0-9a-f]{2})|\\([0-3][0-7]{2})|\\[nrtbfv]", re.IGNORECASE
)
_ENCODED = re.compile(r"[%\\&\x00-\x08\x0e-\x1f\x7f]")
_WORDS = {word: re.compile(f"(?<![a-z]){word}(?![a-z])") for word in ("uip", "aip")}


def readings(text: str) -> Iterator[str]:
    """Every reading of a text, in lower case, itself first."""
    for _ in range(_MAX_ROUNDS):
        yield text.casefold()
        plain = _plain(text)
        if plain != text:
            yield plain.casefold()
        if "\\" in plain:  # what escaped an escape is left between the letters
            yield plain.replace("\\", "").casefold()
        decoded = _decoded(plain)
        if decoded == plain:
            return
        text = decoded
    yield " ".join(_WORDS)


def count(word: str, text: str) -> int:
    """How often the text has the word, in the reading that has it most often."""
    if text.isascii() and _ENCODED.search(text) is None:  # there is one reading
        return _count(word, text.lower())
    return max(_count(word, reading) for reading in readings(text))


def _count(word: str, reading: str) -> int:
    return len(_WORDS[word].findall(reading)) if word in reading else 0


@lru_cache(maxsize=4096)
def words_in(name: str) -> frozenset[str]:
    """Which of the words a parameter's name holds."""
    return frozenset(word for word in _WORDS if count(word, name))


def _plain(text: str) -> str:
    """Without controls, marks and whatever else is no ASCII once letters are taken apart."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return text if text.isprintable() else _CONTROLS.sub("", text)


def _decoded(text: str) -> str:
    """One layer less: the outermost encoding that it has, and no other, because bytes may be torn between two."""
    decoded = text
    if "\\" in text or "%u" in text or "%U" in text:
        decoded = _plain(_ESCAPES.sub(_character, text))
    if decoded == text and "%" in text:
        decoded = _plain(unquote(text, errors="replace"))
    if decoded == text and "&" in text:
        decoded = _plain(html.unescape(text))
    return decoded


def _character(match: re.Match[str]) -> str:
    if match[0] == "\\\\":
        return "\\"
    digits = match[1] or match[2] or match[3]
    code = int(digits, 16) if digits else int(match[4], 8) if match[4] else 0x20
    return chr(code) if code <= 0x10FFFF else "\ufffd"
