"""Lines joined into records of the delivery stream, and both cut into calls.

Firehose bills each record as a multiple of 5 KiB, and a hit is a third of that. It joins records as they came, and each
line brings its own newline, so how lines lie in records cannot be seen in the archive. A record is taken or refused as a
whole, and sent again as a whole: it is closed long before Firehose's limit (1,000 KiB), where rounding is below 2 % and
a refusal concerns some 160 hits of one request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

Positions = list[int]

BILLED_BYTES = 5 * 1024
RECORD_BYTES = 50 * BILLED_BYTES


class Record(NamedTuple):
    """A record of the stream: its bytes, and the positions of the lines in it."""

    data: bytes
    lines: Positions


def packed(lines: Sequence[bytes]) -> list[Record]:
    """The lines in their order in records of RECORD_BYTES at most; one that is longer is a record of its own."""
    return [
        Record(b"".join(lines[position] for position in portion), portion)
        for portion in portions(lines, list(range(len(lines))), len(lines), RECORD_BYTES)
    ]


def portions(
    items: Sequence[bytes] | Mapping[int, bytes], positions: Positions, most: int, most_bytes: int
) -> Iterator[Positions]:
    """Cut positions, in their order, into portions of so many items and bytes at most, none of them empty."""
    portion: Positions = []
    size = 0
    for position in positions:
        length = len(items[position])
        if portion and (len(portion) == most or size + length > most_bytes):
            yield portion
            portion, size = [], 0
        portion.append(position)
        size += length
    if portion:
        yield portion
