"""No whole address reaches disk unless the operator says so, whatever a client does to its spelling."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.privacy import scrub_hit, scrub_payload, storable_address, truncate_address
from collector.settings import IpMode

fuzz = settings(derandomize=True, deadline=None)


@pytest.mark.parametrize(
    ("address", "cut"),
    [
        ("203.0.113.77", "203.0.113.0"),
        (" 203.0.113.77 ", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("fe80::1%eth0", "fe80::"),
        ("2002:cb00:714d::1", "2002:cb00:7100::"),
        ("\u00a0203.0.113.77", None),
        ("203.0.113.77:1234", None),
        ("203.0.113", None),
        ("localhost", None),
        ("", None),
    ],
)
def test_addresses_are_cut_to_their_network(address: str, cut: str | None) -> None:
    """/24 and /48; an IPv4 address in IPv6 clothes is still one; what is no address is not kept."""
    assert truncate_address(address) == cut


@fuzz
@given(st.ip_addresses())
def test_what_is_cut_names_a_network_only(address: object) -> None:
    """The last 8 bits of IPv4 and the last 80 of IPv6 are gone from any address."""
    cut = truncate_address(str(address))
    assert cut is not None
    parsed = ip_address(cut)
    assert int(parsed) % (2**8 if parsed.version == 4 else 2**80) == 0


def test_an_address_is_cut_kept_or_left_out_as_the_mode_says() -> None:
    """Full keeps, truncate cuts, drop drops; no mode keeps what is no address."""
    stored = {mode: storable_address("203.0.113.77", mode) for mode in IpMode}
    assert stored == {IpMode.FULL: "203.0.113.77", IpMode.TRUNCATE: "203.0.113.0", IpMode.DROP: None}
    assert {storable_address("secret", mode) for mode in IpMode} == {None}


@pytest.mark.parametrize("mode", list(IpMode))
def test_the_override_is_always_cut(mode: IpMode) -> None:
    """`uip` is stored with the hit itself: cut in every mode, gone where it is no address or where none is kept."""
    hit = {"uip": "198.51.100.9"}
    scrub_hit(hit, mode)
    assert hit == ({} if mode is IpMode.DROP else {"uip": "198.51.100.0"})
    for nonsense in ("198.51.100.9, 10.0.0.1", {"a": "198.51.100.9"}, ""):
        hit = {"uip": nonsense}  # type: ignore[dict-item]
        scrub_hit(hit, mode)
        assert hit == {}


@pytest.mark.parametrize(
    ("payload", "scrubbed"),
    [
        ("t=event&uip=198.51.100.9&x=1", "t=event&uip=198.51.100.0&x=1"),
        ("uip=2001%3Adb8%3A1%3A2%3A%3A3", "uip=2001:db8:1::"),
        ('{"uip": "198.51.100.9", "t": 1}', '{"uip": "198.51.100.0", "t": 1}'),
        ("{'UIP' : '198.51.100.9'}", None),
        ('{"uip": "198.51.100.9', None),
        ("uip=nobody&t=event", "uip=&t=event"),
        ("quip=198.51.100.9", "quip=198.51.100.9"),
    ],
)
def test_payloads_of_refused_requests_are_scrubbed(payload: str, scrubbed: str | None) -> None:
    """The override is cut where it was read, and the payload dropped where it cannot be (broken JSON)."""
    assert scrub_payload(payload, IpMode.FULL) == scrubbed
