"""`GET /v1/pixel/{track,page,…}?data=…`: Segment's pixel, a message in the address of an image, for mails and pages without a script.

`data` is the message's JSON in base64: standard or URL-safe, padded or not; a plus that nobody encoded arrives as a space. What is no
base64 is passed over, so that of a message that breaks off its beginning is read, refused and kept: addresses in it have to be seen to
be cut. The write key is in the message. The visitor loads the image: address and user agent are theirs.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable
from functools import partial

from collector.bodies import payload_of, query_of
from collector.contract import HitError, parse_form
from collector.outcomes import Rejection
from collector.protocols import segment
from collector.protocols.events import Event
from collector.protocols.segment_events import CALLS
from collector.settings import Settings
from collector.web import Request

_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")


def read(request: Request, settings: Settings, call: str) -> Iterable[Event]:
    """The message in the query string."""
    query_of(request)
    posted = _posted(request)
    if not posted.body:
        raise Rejection(400, "malformed_json", "parameter data has to be a message's JSON in base64")
    return segment.read_one(posted, settings, call)


def payload(request: Request) -> str:
    """The message, as far as it can be read; the query string where it has none."""
    posted = _posted(request)
    return segment.payload(posted) if posted.body else payload_of(posted)


def _posted(request: Request) -> Request:
    """The request as if its message had been posted; one that was (a refused one that is judged again) as it is."""
    if request.body:
        return request
    try:
        given = parse_form(request.query).get("data", "")
    except HitError:
        given = ""
    letters = _NO_BASE64.sub("", given.replace(" ", "+").replace("-", "+").replace("_", "/"))
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    headers = {name: value for name, value in request.headers.items() if name != "content-encoding"}
    return request._replace(body=b64decode(letters + "=" * (-len(letters) % 4)), headers=headers)


PATHS = {
    f"pixel/{call}": segment.BATCH._replace(
        read=partial(read, call=call), payload=payload, longest_body=segment.MAX_MESSAGE_BYTES, by_servers=False
    )
    for call in CALLS
}
