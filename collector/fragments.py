"""What can be told of a request whose head is broken, from the packet that broke it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

_TARGET = re.compile(rb"(?:^|\r\n)[A-Z]+ (/[^ \r\n]*)")
_ORIGIN = re.compile(rb"\r\norigin:[ \t]*([^\r\n]*)", re.IGNORECASE)


class Known(NamedTuple):
    """Each empty where it is not there. `rest` is what follows the head."""

    path: str
    query: bytes
    origin: bytes
    rest: bytes


def known_of(packet: bytes, url: bytes) -> Known:
    """`url` is the request's as far as a parser got; without it the last request in the packet is the one."""
    target, _, query = (url or (_TARGET.findall(packet) or [b""])[-1]).partition(b"?")
    origin = _ORIGIN.search(packet)
    rest = packet.partition(b"\r\n\r\n")[2]
    return Known(unquote(target.decode("latin-1")), query, origin[1] if origin else b"", rest)
