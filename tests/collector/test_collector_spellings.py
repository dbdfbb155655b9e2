"""An address that a client names itself (`uip`) is cut however it is spelled, in what is taken and in what is refused."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.intake import process_request
from collector.privacy import scrub_payload
from collector.settings import IpMode, Settings
from collector.spellings import readings
from collector.web import Request

fuzz = settings(derandomize=True, deadline=None)

# Each address, and the part of it that only the whole one has.
ADDRESSES = {"203.0.113.77": "113.77", "2001:db8:1:2::dead:beef": "dead:beef"}

# Refused requests (none has a hit type and a client id together), ADDRESS standing for the address.
SPELLINGS = [
    "t=event&uip=ADDRESS",
    "uip=ADDRESS",
    "uip =ADDRESS",
    "uip+=ADDRESS",
    "+uip=ADDRESS",
    "uip%20=ADDRESS",
    "%20uip%09=ADDRESS",
    "uip%00=ADDRESS",
    "u%00ip=ADDRESS",
    "UIP=ADDRESS",
    "Uip=+ADDRESS+",
    "%75ip=ADDRESS",
    "ui%70=ADDRESS",
    "%55%49%50=ADDRESS",
    "%2575ip=ADDRESS",
    "%252575ip=ADDRESS",
    "%u0075ip=ADDRESS",
    "uip[]=ADDRESS",
    "uip[0]=ADDRESS",
    "hit[uip]=ADDRESS",
    "x_uip=ADDRESS",
    "x=1;uip=ADDRESS",
    "x=1&amp;uip=ADDRESS",
    "&#117;ip=ADDRESS",
    "u%E2%80%8Bip=ADDRESS",
    "%EF%BD%95%EF%BD%89%EF%BD%90=ADDRESS",
    "uip=\nADDRESS",
    "t=event\ncid=1&uip=ADDRESS",
    "t=event\r\ruip=ADDRESS\rx=1",
    "dl=https%3A%2F%2Fshop.example%2F%3Fa%3D1%26uip%3DADDRESS",
    "x=%7B%22uip%22%3A%22ADDRESS%22%7D",
    "uip: ADDRESS",
    "uip,ADDRESS",
    "uip\tADDRESS",
    '{"uip": "ADDRESS"}',
    '{"uip" : "ADDRESS", "t": 1.50}',
    '{"\\u0075ip": "ADDRESS"}',
    '{"\\u0075\\u0069\\u0070": "ADDRESS"}',
    '{"\\uff55\\uff49\\uff50": "ADDRESS"}',
    '{"UIP": "ADDRESS"}',
    '{" uip ": " ADDRESS "}',
    '{"uip\\u0000": "ADDRESS"}',
    '{"uip": ["ADDRESS"]}',
    '{"uip": {"v4": "ADDRESS"}}',
    '{"uip": "ADDRESS, 10.0.0.1"}',
    '{"uip": "ADDRESS", "uip": "1.1.1.1"}',
    '{"a": [{"b": {"uip": "ADDRESS"}}]}',
    '[{"t": "event"}, {"uip": "ADDRESS"}]',
    '{"t": "event"} {"uip": "ADDRESS"}',
    '{"data": "{\\"uip\\": \\"ADDRESS\\"}"}',
    '{"data": "{\\"\\\\u0075ip\\": \\"ADDRESS\\"}"}',
    '{"data": "{\\"data\\": \\"{\\\\\\"uip\\\\\\": \\\\\\"ADDRESS\\\\\\"}\\"}"}',
    '{"data": "t=event&uip=ADDRESS"}',
    '{"data": "a\\nuip=ADDRESS"}',
    '{"uip=ADDRESS": 1}',
    '{"uip ADDRESS": 1}',
    '"uip=ADDRESS"',
    '{"uip": "ADDRESS',
    '{"uip":\n"ADDRESS",',
    "{'uip': 'ADDRESS'}",
    '{"t": "event"}\n{"uip": "ADDRESS"}',
    '{"\\x75ip": "ADDRESS"}',
    "<hit><uip>ADDRESS</uip></hit>",
    '<hit uip="ADDRESS"/>',
    '--b\r\nContent-Disposition: form-data; name="uip"\r\n\r\nADDRESS\r\n--b--\r\n',
    '--b\r\nContent-Disposition: form-data; name="x"\r\nContent-Transfer-Encoding: 8bit\r\n\r\nuip=ADDRESS\r\n--b--\r\n',
    "q\x00uip=ADDRESS",
]


def _leaks(line: bytes, part: str) -> bool:
    return any(part in reading for reading in readings(line.decode()))


def _refused(body: bytes, path: str = "/collect", mode: IpMode = IpMode.TRUNCATE) -> list[bytes]:
    request = Request("POST", path, "", {}, body, "collect.example", None)
    outcome = process_request(request, Settings(ip_mode=mode), 1, 2)
    assert all(json.loads(record)["rejected"] for record in outcome.records)
    return outcome.records


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_a_refused_request_keeps_the_address(spelling: str, address: str) -> None:
    """11 of 25 spellings once kept the whole address; what cannot be parsed is dropped, its size and reason stay."""
    body = spelling.replace("ADDRESS", address).encode()
    for path in ("/collect", "/batch"):
        for mode in IpMode:
            for record in _refused(body, path, mode):
                assert not _leaks(record, ADDRESSES[address])
                rejected = json.loads(record)["rejected"]
                assert rejected["payload"] is not None or rejected["payload_size"] > 0


@pytest.mark.parametrize("address", ADDRESSES)
def test_bodies_in_disguise(address: str) -> None:
    """Base64, UTF-16 and a query percent-encoded as a whole are looked into as well."""
    text = f"t=event&uip={address}"
    for body in (
        b64encode(text.encode()),
        text.encode("utf-16"),
        text.encode("utf-16-be"),
        quote(text, safe="").encode(),
    ):
        for record in _refused(body):
            assert not _leaks(record, ADDRESSES[address]), body
            assert b64encode(text.encode()).decode() not in record.decode()


_ENCODINGS: list[Callable[[str], str]] = [
    lambda text: text,
    str.upper,
    lambda text: f" {text}\t",
    lambda text: quote(text, safe=""),
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    lambda text: f"{text[:1]}\x00{text[1:]}",
    lambda text: f"a[{text}]",
    lambda text: "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text),
]
_WRAPPINGS: list[Callable[[str], str]] = [
    lambda text: f"x={quote(text)}",
    lambda text: urlencode({"dt": "Käse", "x": text}),
    lambda text: json.dumps({"x": text}),
    lambda text: json.dumps([1.5, {"x": ["a", text]}], ensure_ascii=False),
    lambda text: f'{{"t": "event"}}\n{text}',
    lambda text: f"{text}&t=event",
    lambda text: f"{text}\r",
    lambda text: text[: len(text) * 9 // 10],
    lambda text: f"--b\r\n\r\n{text}\r\n--b--",
]
_PAIRS: list[Callable[[str, str], str]] = [
    lambda name, value: f"{name}={value}",
    lambda name, value: urlencode({name: value}),
    lambda name, value: json.dumps({name: value}),
    lambda name, value: json.dumps({"a": {name: [value]}}),
    lambda name, value: f'{{"{name}": "{value}"}}',
    lambda name, value: f"{name}: {value}",
]


@settings(derandomize=True, deadline=None, max_examples=1500)
@given(
    st.lists(st.sampled_from(_ENCODINGS), max_size=3),
    st.sampled_from(_PAIRS),
    st.lists(st.sampled_from(_WRAPPINGS), max_size=3),
    st.sampled_from(sorted(ADDRESSES)),
)
def test_no_combination_keeps_the_address(encodings: Any, pair: Any, wrappings: Any, address: str) -> None:
    """Names encoded over and over, in forms, JSON and what is neither, one in the other."""
    name = "uip"
    for encode in encodings:
        name = encode(name)
    text = pair(name, address)
    for wrap in wrappings:
        text = wrap(text)
    kept = scrub_payload(text, IpMode.FULL)
    assert kept is None or not _leaks(kept.encode("utf-8", "replace"), ADDRESSES[address])


@pytest.mark.parametrize(
    "payload",
    [
        '{"t": "event", "n": 1.50, "n": 2, "u": "\\u00fc", broken',
        "t=event&dt=K%C3%A4se&x=a+b&&=",
        "quip=203.0.113.77&equipment=2001:db8::1",
        "<hit/>\n\r--b",
        "",
    ],
)
def test_a_payload_without_an_override_is_kept_letter_by_letter(payload: str) -> None:
    """What is cut for privacy must not cost the replay of all the others."""
    assert scrub_payload(payload, IpMode.TRUNCATE) == payload


def test_a_parsed_payload_is_written_anew_with_its_other_values() -> None:
    """The rest of a hit survives the cut: numbers letter by letter, forms in their encoding, the tail of a batch."""
    kept = scrub_payload(
        '{"uip": ["203.0.113.77"], "tr": 12.50, "big": 1e400, "dt": "Käse", "n": null}', IpMode.TRUNCATE
    )
    assert kept == '{"uip": "", "tr": 12.50, "big": 1e400, "dt": "Käse", "n": null}'
    kept = scrub_payload("dt=K%C3%A4se&%75ip=203.0.113.77&x=a+b", IpMode.TRUNCATE)
    assert kept == "dt=K%C3%A4se&%75ip=203.0.113.0&x=a+b"
    kept = scrub_payload('t=event\n{"uip": "2001:db8:1:2::3"}\nx=1', IpMode.TRUNCATE)
    assert kept == 't=event\n{"uip": "2001:db8:1::"}\nx=1'


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "name", ["uip", "UIP", "uip ", " uip", "\tUip\n", "uip\x00", "uip[]", "hit[uip]", "%75ip", "\\u0075ip", "\uff55ip"]
)
def test_accepted_hits_keep_no_whole_address(name: str, address: str) -> None:
    """`uip ` and `UIP` once went to disk whole: as a form, as JSON, nested, with a good override beside it."""
    for hit in ({"t": "event", "cid": "1"}, {"t": "event", "cid": "1", "uip": "198.51.100.9"}):
        _assert_accepted_without(hit, name, address)


def _assert_accepted_without(hit: dict[str, str], name: str, address: str) -> None:
    bodies = [
        urlencode({**hit, name: address}),
        json.dumps({**hit, name: address}),
        json.dumps({**hit, "x": {"y": [{name: address}]}}),
        json.dumps({**hit, name: [address]}),
        json.dumps({**hit, "x": json.dumps({name: address})}),
        json.dumps({**hit, "x": [json.dumps({"y": json.dumps({name: address})})]}),
        urlencode({**hit, "dl": "https://shop.example/?" + urlencode({name: address})}),
        urlencode({**hit, "x": f"<hit {name}='{address}'/>"}),
        json.dumps({**hit, "x": f"b\n\n{name}={address}"}, ensure_ascii=False),
    ]
    for body in bodies:
        request = Request("POST", "/collect", "", {}, body.encode(), "collect.example", None)
        (record,) = process_request(request, Settings(ip_mode=IpMode.FULL), 1, 2).records
        assert "rejected" not in json.loads(record)
        assert not _leaks(record, ADDRESSES[address])


def test_values_of_accepted_hits_that_only_mention_the_word_stay() -> None:
    """A title is a title, a version number no address of anybody."""
    values = {
        "dt": "What is UIP?",
        "x": "uip",
        "y": '{"uip": "on"}',
        "av": "1.2.3.4",
        "dl": "https://x/?a=%2520&v=1.2.3.4",
    }
    for body in (urlencode({"t": "event", "cid": "1", **values}), json.dumps({"t": "event", "cid": "1", **values})):
        request = Request("POST", "/collect", "", {}, body.encode(), "collect.example", None)
        (record,) = process_request(request, Settings(), 1, 2).records
        assert json.loads(record)["request"]["body"] == {"t": "event", "cid": "1", **values}


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", "t=event&cid=1&aip"),
        ("", "t=event&cid=1&AIP=0"),
        ("", "t=event&cid=1&aip+=false"),
        ("", "t=event&cid=1&%61ip="),
        ("", '{"t": "event", "cid": "1", "aip": null}'),
        ("", '{"t": "event", "cid": "1", "aip": false}'),
        ("", '{"t": "event", "cid": "1", " Aip": {"x": 1}}'),
        ("", '{"t": "event", "cid": "1", "x": {"aip": 1}}'),
        ("v=1&%61ip=1", "t=event&cid=1"),
    ],
)
def test_any_form_of_aip_cuts_the_callers_address(query: str, body: str) -> None:
    """Also where the operator keeps addresses whole: the visitor's site asked for it."""
    request = Request("POST", "/collect", query, {}, body.encode(), "collect.example", "203.0.113.77")
    (record,) = process_request(request, Settings(ip_mode=IpMode.FULL), 1, 2).records
    assert json.loads(record)["context"]["user_ip"] == "203.0.113.0"


def test_a_longer_word_asks_for_nothing() -> None:
    """`repaip` is a custom parameter."""
    request = Request("POST", "/collect", "", {}, b"t=event&cid=1&repaip=1", "collect.example", "203.0.113.77")
    (record,) = process_request(request, Settings(ip_mode=IpMode.FULL), 1, 2).records
    assert json.loads(record)["context"]["user_ip"] == "203.0.113.77"


@fuzz
@given(st.text(max_size=200))
def test_any_payload_is_kept_or_dropped(text: str) -> None:
    """No text makes the scrubber fail, and what it keeps it would keep again."""
    kept = scrub_payload(f"uip={text}", IpMode.TRUNCATE)
    assert kept is None or scrub_payload(kept, IpMode.TRUNCATE) is not None
