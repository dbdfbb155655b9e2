"""Gzip bodies: all members of one, never more than a limit of what they unpack to.

A gzip file may be several members one after the other (`cat a.gz b.gz`, clients that flush a member a hit); what is read
is all of them together. Zeros after the last one are padding, as for gzip itself; anything else is not passed over.
"""

from __future__ import annotations

import zlib

# Unpacked in small pieces, because zlib copies whatever follows a member: a body of many tiny members stays linear.
_PIECE = 4096
_GZIP = 31


class MalformedGzip(ValueError):
    """The body is no gzip, or not only that. `unpacked` is what came before the flaw."""

    def __init__(self, message: str, unpacked: bytes) -> None:
        super().__init__(message)
        self.unpacked = unpacked


def unpack(body: bytes, limit: int) -> bytes:
    """The content of all members, or `limit` bytes of it and one more. Raises MalformedGzip."""
    content = bytearray()
    position = 0
    while True:
        unpacker = zlib.decompressobj(wbits=_GZIP)
        while not unpacker.eof:
            piece = body[position : position + _PIECE]
            if not piece:
                raise MalformedGzip("the gzip body ends too early", bytes(content))
            position += len(piece)
            try:
                content += unpacker.decompress(piece, limit + 1 - len(content))
            except zlib.error:
                message = "the body says it is gzip and is not" if not content else "the gzip body is damaged"
                raise MalformedGzip(message, bytes(content)) from None
            if len(content) > limit:
                return bytes(content)
        position -= len(unpacker.unused_data)
        if not body[position : position + 2].startswith(b"\x1f\x8b"):
            break
    if body.count(0, position) != len(body) - position:
        raise MalformedGzip("something that is no gzip follows the gzip body", bytes(content))
    return bytes(content)
