"""Who may look at what was just collected: the user of this machine, and no page but our own.

The records have visitors' addresses and whatever hits say, and any web page that the user has open can send requests to
127.0.0.1. So both ends of the connection are looked at (a name that somebody rebinds to 127.0.0.1 comes with that name in Host),
a browser has to say that the request is our page's own or the user's, nothing is ever allowed to other origins, and what came
through a proxy is not this machine's whatever its address.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from collector.outcomes import Rejection
from collector.web import Request

_OWN_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_OWN_REQUESTS = frozenset({b"same-origin", b"none"})
_OF_PROXIES = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"cf-connecting-ip"}
)


def admit(request: Request, headers: Iterable[tuple[bytes, bytes]], *, is_page: bool) -> None:
    """Raise the Rejection that a stranger earns. `headers` are all that came, in lower case; the page itself may be gone to by a link."""
    named = dict(headers)
    if not _is_own(request.address) or request.hostname.lower() not in _OWN_NAMES:
        raise Rejection(403, "not_this_machine", "open it at http://127.0.0.1 or http://localhost on this machine")
    if not _OF_PROXIES.isdisjoint(named):
        raise Rejection(403, "not_this_machine", "this came through a proxy; open it on this machine itself")
    site = named.get(b"sec-fetch-site", b"none")
    is_visit = is_page and named.get(b"sec-fetch-mode") == b"navigate" and named.get(b"sec-fetch-dest") == b"document"
    if site not in _OWN_REQUESTS and not is_visit:
        raise Rejection(403, "other_origin", "pages of other origins may not look at this")
    origin = named.get(b"origin")
    if origin is not None and origin != b"http://" + named.get(b"host", b""):
        raise Rejection(403, "other_origin", "pages of other origins may not look at this")
    if request.method == "POST" and not named.get(b"content-type", b"").lower().startswith(b"application/json"):
        raise Rejection(415, "not_json", "send it as Content-Type: application/json, which no form of another page can")


def _is_own(address: str | None) -> bool:
    try:
        return address is not None and ip_address(address).is_loopback
    except ValueError:
        return False
