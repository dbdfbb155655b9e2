"""What a protocol is to the collector, and what all protocols need: hits put together by name, texts, times, JSON bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from collector.bodies import text_of, unpacked
from collector.contract import Hit, InexactNumber, find_parameter, nested
from collector.outcomes import Rejection
from collector.privacy import may_wrap_override
from collector.protocols.shared import Shared
from collector.settings import Settings
from collector.texts import BLANKS, Number, read_json, write_json
from collector.web import Request

# The client's own names, which no protocol shares.
EVENT_NAME, SESSION_ID, ENGAGEMENT_MS = "_en", "_sid", "_et"

# The longest event of any protocol. Hit and original lie in one record, which has to fit into Firehose's 1,000 KiB however
# they escape.
MAX_EVENT_BYTES = 65_536
MAX_NESTING = 30

# Never raised: an exception that lives on would hold on to each frame that it ever went through.
_TOO_DEEP = Rejection(400, "malformed_json", "the JSON is nested too deeply")
NO_CONSENT = Rejection(204, "consent_denied", "the visitor has not agreed to being measured")


class Event(NamedTuple):
    """One event of a request. `given` has the parameters of its hit that are not in the event itself (in v1's names);
    `rejection` is why it is none. `is_plain`: nothing is wrapped in a text of all that came with it. `shared` is a member of the
    original that other events have, too."""

    original: Any
    given: Mapping[str, str] = MappingProxyType({})
    rejection: Rejection | None = None
    is_plain: bool = False
    shared: Shared | None = None


class Protocol(NamedTuple):
    """A wire format. `read` takes a request apart, or raises the rejection that all of it earns; `translate` makes a hit of
    an event, of what is given beside it and of the time of receipt (epoch ms); `write` gives the text of an
    original, `payload` that of a request, for what is refused. `longest_body` is in bytes, unpacked. `by_servers`: servers send it
    for their visitors, too; from a page it comes with an Origin. `tenant` is what a request that is refused whole says of its
    tenant outside of its payload (in v1's names)."""

    name: str
    read: Callable[[Request, Settings], Iterable[Event]]
    translate: Callable[[Event, Mapping[str, str], int], Hit]
    write: Callable[[Any], str]
    payload: Callable[[Request], str]
    longest_body: int
    by_servers: bool = False
    tenant: Callable[[Request], Mapping[str, str]] = lambda _: {}

    def stored(self, original: Any) -> Any:
        """An original as its record has it: JSON that reads back to the letter, or its text where no JSON of ours would (12.50)."""
        try:
            return nested(original, exact=True)
        except InexactNumber:
            return self.write(original)


# ---------------------------------------------------------------------------------------------------------------------
# Hits
# ---------------------------------------------------------------------------------------------------------------------
def put(hit: Hit, name: str, value: Any) -> bool:
    """Give the hit a parameter. False: it has it with another value. What says nothing (null, an empty text) is passed over."""
    text = value if value.__class__ is str else as_parameter(value)
    if text is None or text == "":
        return True
    return bool(hit.setdefault(name, text) == text)


def keep(hit: Hit, name: str, value: Any, prefix: str) -> None:
    """Keep what no table knows under its own name, which must not mean something else in v1."""
    text = value if value.__class__ is str else as_parameter(value)
    if text is not None:
        hit[f"{prefix}.{name}" if name in hit or find_parameter(name) is not None else name] = text


def take(hit: Hit, values: dict[str, Any], targets: Mapping[str, str], prefix: str = "") -> None:
    """Move the values that `targets` names into the hit, each unless the hit has it."""
    for name, target in targets.items():
        if name in values:
            value = values[name]
            # `put`, spelled out: this runs for every parameter of every message.
            text = value if value.__class__ is str else as_parameter(value)
            if text is None or text == "" or hit.setdefault(prefix + target, text) == text:
                del values[name]


def as_parameter(value: Any) -> Any:
    """A value of JSON as a hit's: a number's own letters, true and false as words, what is nested as JSON."""
    kind = value.__class__
    if kind is int or kind is float:
        return repr(value)
    if isinstance(value, str):
        return str(value)
    if value is True or value is False:
        return "true" if value else "false"
    return None if value is None else nested(value)


def is_number(value: Any) -> bool:
    """Whether it is a number of JSON, read as one or as its letters."""
    kind = value.__class__
    return kind is int or kind is float or kind is Number


def says_something(value: Any) -> bool:
    """Whether there is a value; 0 is one."""
    return bool(value) or is_number(value)


def mapping(value: Any) -> dict[str, Any]:
    """The value, where it is an object; else an empty one."""
    return value if isinstance(value, dict) else {}


def is_text(value: Any) -> bool:
    """Whether there is something in a text (or a number)."""
    return bool(value.strip(BLANKS)) if isinstance(value, str) else is_number(value)


def queue_time(received_at: int, happened_at: int | None) -> str | None:
    """`qt`, how long the client held an event back; None for one of now, of the future or of no known time."""
    return str(received_at - happened_at) if happened_at is not None and happened_at < received_at else None


# ---------------------------------------------------------------------------------------------------------------------
# JSON bodies
# ---------------------------------------------------------------------------------------------------------------------
class Body(NamedTuple):
    """The object in a body; whether that is so long that its events have to be measured; whether nothing in it may be wrapped in a text."""

    content: dict[str, Any]
    is_long: bool
    is_plain: bool


def read_object(request: Request, limit: int, *, with_numbers: bool = False) -> Body:
    """The object in a body; `with_numbers` as `read_json` reads them. Raises Rejection."""
    body = unpacked(request, limit)
    text = text_of(body)
    try:
        value = read_json(text, with_numbers=with_numbers)
    except ValueError as error:
        raise Rejection(400, "malformed_json", f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Rejection(400, "not_an_object", "the body has to be one JSON object")
    return Body(value, len(body) > MAX_EVENT_BYTES // 2, not may_wrap_override(text))


def measured(original: Any, limit: int | None) -> tuple[Any, Rejection | None]:
    """An event, and why it is refused if it nests too deeply or is longer than `limit` bytes (None: it cannot be)."""
    if is_deeper(original, MAX_NESTING):
        return _pruned(original, MAX_NESTING), _TOO_DEEP
    if limit is None or len(write_json(original).encode("utf-8", "replace")) <= limit:
        return original, None
    return original, Rejection(413, "too_large", f"the event is longer than {limit} bytes")


def pruned(event: Event) -> Event:
    """The refusal of an event that nests too deeply, without its depths: nothing that reads it could follow."""
    return event._replace(original=_pruned(event.original, MAX_NESTING), rejection=_TOO_DEEP)


def is_deeper(value: Any, levels: int) -> bool:
    """Whether it nests more deeply than this."""
    if levels == 0:
        return isinstance(value, dict | list)
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in members:
        kind = item.__class__
        if (kind is dict or kind is list) and is_deeper(item, levels - 1):
            return True
    return False


def _pruned(value: Any, levels: int) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(item, levels - 1) for name, item in value.items()} if levels else None
    if isinstance(value, list):
        return [_pruned(item, levels - 1) for item in value] if levels else None
    return value


def whole_number(value: Any) -> int | None:
    """A whole number of up to 18 digits, as number or text."""
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 18:
        return None
    return int(value)
