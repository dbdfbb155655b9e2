"""The event contract: every parameter of the protocol, texts kept letter by letter, misfits flagged and never fatal."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.contract import (
    HitError,
    find_parameter,
    invalid_parameters,
    parse_body,
    parse_form,
    parse_json,
    queue_time_ms,
    require_hit,
)
from collector.parameters import PARAMETERS, Kind

# The same examples at every run: a test that fails now and then tells nobody anything.
fuzz = settings(derandomize=True, deadline=None)


def test_every_parameter_of_the_protocol_is_known() -> None:
    """The protocol lists 113 parameters under 108 names; a row lost in an edit would silently become "unknown key"."""
    assert len({parameter.name for parameter in PARAMETERS}) == len(PARAMETERS) == 108
    by_kind = {kind: sum(parameter.kind is kind for parameter in PARAMETERS) for kind in Kind}
    assert by_kind[Kind.BOOLEAN] == 4 and by_kind[Kind.NUMBER] == 1 and by_kind[Kind.CURRENCY] == 6
    for parameter in PARAMETERS:
        name = parameter.name.replace("_", "1")
        assert find_parameter(name) == (parameter, True), name


@pytest.mark.parametrize(
    ("name", "row", "in_bounds"),
    [
        ("pr1id", "pr_id", True),
        ("pr200cd200", "pr_cd_", True),
        ("pr201id", "pr_id", False),
        ("il1pi201nm", "il_pi_nm", False),
        ("il7pi9cm3", "il_pi_cm_", True),
        ("promo200cr", "promo_cr", True),
        ("cg5", "cg_", True),
        ("cg6", "cg_", False),
        ("cd0", "cd_", False),
        ("cd01", "cd_", False),
        ("cd", "cd", True),
        ("cm", "cm", True),
    ],
)
def test_indexed_families_have_their_bounds(name: str, row: str, in_bounds: bool) -> None:
    """Index 200 is the last product, group 5 the last content group; a bare `cd` or `cm` means something else."""
    found = find_parameter(name)
    assert found is not None
    assert (found[0].name, found[1]) == (row, in_bounds)


@pytest.mark.parametrize(
    "name", ["pr_id", "x", "", "prid", "pr1", "pr1zz", "1cd", "cd9999999999", "PR1ID", "pr\uff11id"]
)
def test_other_names_are_custom(name: str) -> None:
    """A name that only looks like a parameter is a custom key: kept, never flagged, never an exception."""
    assert find_parameter(name) is None
    assert invalid_parameters({name: "anything"}) == {}


def test_json_numbers_keep_their_letters() -> None:
    """The seed read 2.01 through a binary float; money must reach the archive as it was sent."""
    text = '{"a": 12.50, "b": 2.01, "c": 1e400, "d": 123456789012345678901234567890, "e": -0, "f": true, "g": false}'
    assert parse_json(text) == {
        "a": "12.50",
        "b": "2.01",
        "c": "1e400",
        "d": "123456789012345678901234567890",
        "e": "-0",
        "f": "true",
        "g": "false",
    }


def test_null_is_left_out_and_nesting_stays_json() -> None:
    """null means "not given"; nested values stay JSON, their numbers too where that changes no letter."""
    hit = parse_json('{"n": null, "o": {"p": [1, 2.5, 1.10, 1e5, null, true, "x"]}}')
    assert hit == {"o": {"p": [1, 2.5, "1.10", "1e5", None, True, "x"]}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "malformed_json"),
        ('{"a": NaN}', "malformed_json"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "malformed_json"),
        ('{"a": ' + "[" * 100_000 + "}", "malformed_json"),
        ('{"t": "event"} {"t": "event"}', "malformed_json"),
        ("[]", "not_an_object"),
        ('[{"t": "event"}]', "not_an_object"),
    ],
)
def test_what_is_no_json_object_is_refused_with_a_reason(text: str, reason: str) -> None:
    """Deep nesting once means RecursionError, NaN means a line that strict readers refuse."""
    with pytest.raises(HitError) as refused:
        parse_body(text)
    assert refused.value.reason == reason


@fuzz
@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
def test_forms_read_as_urllib_reads_them(pairs: dict[str, str]) -> None:
    """The quick form parser gives what the standard library gives, for every text that can be encoded."""
    encoded = urlencode(pairs, errors="replace")
    assert parse_form(encoded) == dict(parse_qsl(encoded, keep_blank_values=True, errors="replace"))


@fuzz
@given(st.text())
def test_any_text_is_a_hit_or_a_refusal(text: str) -> None:
    """No body whatsoever raises anything but HitError."""
    try:
        hit = parse_body(text)
    except HitError as refused:
        assert refused.reason in {"malformed_json", "not_an_object", "empty_hit"}
    else:
        assert invalid_parameters(hit) is not None and 0 <= queue_time_ms(hit) <= 14_400_000


@fuzz
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_json_value_is_judged(value: object) -> None:
    """Whatever a JSON client puts into a known parameter, the hit is taken and the misfit is flagged."""
    for name in ("ev", "dl", "aip", "pr1pr", "t", "qt", "custom"):
        text = json.dumps({"t": "event", "cid": "1", name: value})
        try:
            invalid_parameters(parse_json(text))
        except HitError as refused:
            assert "NaN" in text or "Infinity" in text, refused


@pytest.mark.parametrize(
    ("name", "value", "expectation"),
    [
        ("ev", "1.5", "integer"),
        ("ev", "-1", "non_negative"),
        ("ev", "²", "integer"),
        ("qt", "-1", "non_negative"),
        ("pr1qt", "many", "integer"),
        ("tr", "$5", "currency"),
        ("tr", "1,5", "currency"),
        ("cm1", "x", "number"),
        ("aip", "yes", "boolean"),
        ("t", "click", "choice"),
        ("pa", "buy", "choice"),
        ("cn", "x" * 101, "max_bytes"),
        ("cn", "ä" * 51, "max_bytes"),
        ("cd201", "x", "index"),
        ("dl", {"nested": "1"}, "text"),
    ],
)
def test_misfits_are_flagged(name: str, value: object, expectation: str) -> None:
    """A value that does not fit its type, length, index or words is named together with what was expected."""
    assert invalid_parameters({"t": "event", "cid": "1", name: value}) == {name: expectation}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ev", "0"), ("tr", "-12.5"), ("tr", "1e3"[:1]), ("cm1", ".5"), ("aip", "1"), ("t", "event"), ("ev", ""),
        ("cn", "x" * 100), ("cn", "ä" * 50), ("dl", "https://shop.example/" + "x" * 2000), ("mine", "x" * 5000),
    ],
)  # fmt: skip
def test_fitting_values_are_not_flagged(name: str, value: str) -> None:
    """Zero is a value, an empty one counts as not given, the longest one fits, custom keys have no rules."""
    assert invalid_parameters({"t": "event", "cid": "1", name: value}) == {}


@pytest.mark.parametrize(
    ("hit", "reason"),
    [
        ({}, "missing_hit_type"),
        ({"t": " ", "cid": "1"}, "missing_hit_type"),
        ({"t": ["event"], "cid": "1"}, "missing_hit_type"),
        ({"t": "event"}, "missing_client_id"),
        ({"t": "event", "cid": "", "uid": ""}, "missing_client_id"),
    ],
)
def test_a_hit_needs_a_type_and_somebody(hit: dict[str, object], reason: str) -> None:
    """The two things a hit cannot do without are named by the rejection."""
    with pytest.raises(HitError) as refused:
        require_hit(hit)
    assert refused.value.reason == reason
    require_hit({"t": "event", "uid": "u"})


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [("0", 0), ("1500", 1500), ("12.7", 12), ("-5", 0), ("", 0), ("x", 0), ("14400001", 14_400_000),
     ("9" * 400, 14_400_000), ("000000000000042", 42), (".9", 0)],
)  # fmt: skip
def test_queue_time_is_clamped(value: str, milliseconds: int) -> None:
    """A decimal queue time once failed whole hits; four hours is the longest that counts."""
    assert queue_time_ms({"qt": value}) == milliseconds
