"""`records.encode` at a tenth of its cost, for the local server: Lambda's runtime does not have the library."""

from __future__ import annotations

import orjson

from collector import records
from collector.records import Record


def encode(record: Record) -> bytes:
    """The record's line, byte for byte what `records.encode` gives."""
    try:
        # The sum is a copy of the right size: what orjson returns holds on to six to sixteen times its length.
        return orjson.dumps(record) + b"\n"
    except TypeError:  # half a surrogate pair
        return records.encode(record)
