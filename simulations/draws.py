"""Chance, made repeatable: everything random comes from PCG64's raw bits or from a hash of a number.

NumPy promises the raw bit stream of PCG64 for good, but not what its distributions make of it. So all shapes are
inverse cumulative tables over uniform numbers. Python's own `hash()` differs at every start and is never used.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_U = np.uint64


class Purpose(IntEnum):
    """What numbers are drawn for. Each has a stream of its own, so that a change in one leaves the others as they are."""

    VISITS = 0
    HITS = 1
    MARATHON = 2
    ORDERS = 3
    CLIENT_FAULTS = 4
    NETWORK_FAULTS = 5
    EVENT_IDS = 6
    CACHE_IDS = 7
    PROTOCOLS = 8


class Draws:
    """One stream of random numbers for a seed, a date and a purpose."""

    def __init__(self, seed: int, day: date, purpose: Purpose) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, day.toordinal(), purpose]))

    def bits(self, n: int) -> Bits:
        """`n` uniform 64-bit numbers."""
        return self._bits.random_raw(n)

    def uniform(self, n: int) -> Floats:
        """`n` uniform numbers in [0, 1)."""
        return uniform(self.bits(n))

    def chance(self, rate: float, n: int) -> Flags:
        """`n` flags, each true with probability `rate`."""
        return self.uniform(n) < rate

    def below(self, limit: int | Ints, n: int) -> Ints:
        """`n` uniform whole numbers in [0, limit)."""
        return (self.uniform(n) * limit).astype(np.int64)

    def pick(self, weights: Sequence[float], n: int) -> Ints:
        """`n` indexes into `weights`, each as likely as its weight."""
        return pick(weights, self.uniform(n))

    def shaped(self, shape: tuple[Sequence[float], Sequence[float]], n: int) -> Floats:
        """`n` values of a distribution given by its quantiles: (shares, values), both rising."""
        return np.interp(self.uniform(n), *shape)


def uniform(bits: Bits) -> Floats:
    """64-bit numbers as numbers in [0, 1)."""
    return (bits >> _U(11)).astype(np.float64) * 2.0**-53


def pick(weights: Sequence[float], where: Floats) -> Ints:
    """Indexes into `weights` for numbers in [0, 1)."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.searchsorted(edges[:-1] / edges[-1], where, side="right").astype(np.int64)


def mix(numbers: Bits, salt: int = 0) -> Bits:
    """A well-mixed 64-bit number for each number (splitmix64); another `salt`, another number."""
    with np.errstate(over="ignore"):
        x = numbers + _U((0x9E3779B97F4A7C15 * (salt + 1)) & 0xFFFFFFFFFFFFFFFF)
        x = (x ^ (x >> _U(30))) * _U(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> _U(27))) * _U(0x94D049BB133111EB)
        return x ^ (x >> _U(31))


class Dice:
    """A few whole numbers out of one 64-bit number, for what is too rare to be worth an array."""

    def __init__(self, number: int) -> None:
        self._state = number

    def below(self, limit: int) -> int:
        """A whole number in [0, limit)."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return ((self._state >> 33) * limit) >> 31


_HEX = np.array([f"{byte:02x}".encode() for byte in range(256)], dtype="S2").view(np.uint8).reshape(256, 2)
# Where the 32 digits of a uuid stand among its 36 characters.
_DIGITS = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


def uuid_bits(high: Bits, low: Bits) -> tuple[Bits, Bits]:
    """The two halves with the version (4: random) and variant of a uuid put in."""
    high = (high & _U(0xFFFFFFFFFFFF0FFF)) | _U(0x4000)
    low = (low & _U(0x3FFFFFFFFFFFFFFF)) | _U(0x8000000000000000)
    return high, low


def uuid_texts(high: Bits, low: Bits) -> list[str]:
    """The usual 36 characters of each uuid; their order as text is the order of (high, low)."""
    raw = np.stack([high, low], axis=1).astype(">u8").view(np.uint8)
    text = np.full((len(raw), 36), ord("-"), dtype=np.uint8)
    text[:, _DIGITS] = _HEX[raw].reshape(len(raw), 32)
    joined = text.tobytes().decode("ascii")
    return [joined[i : i + 36] for i in range(0, len(joined), 36)]
