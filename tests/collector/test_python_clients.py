"""Public Python libraries of GA4, Segment and RudderStack, unchanged but for the host, send real events to both fronts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.fronts import FRONTS, running_front

ORDER = {"pa": "purchase", "ea": "purchase", "ti": "T1", "tr": "12.5", "cu": "EUR", "pr1id": "SKU1", "pr1pr": "12.5", "pr1qt": "1"}  # fmt: skip


@pytest.mark.parametrize("name", FRONTS)
def test_libraries_of_python(tmp_path: Path, name: str) -> None:
    """What each sends is taken at the first attempt, under its names, with its times, and nobody is taken for a bot. A
    postponed event of ga4mp, an object where GA4 has a list, was refused once."""
    with running_front(name, tmp_path) as front:
        program = Path(__file__).with_name("python_clients.py")
        sent = subprocess.run(
            [sys.executable, program, front.url], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
    assert sent.returncode == 0, sent.stderr
    assert json.loads(sent.stdout) == {"validationMessages": []}
    assert [record["rejected"] for record in front.records if "rejected" in record] == []
    events: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in front.records:
        body = record["request"]["body"]
        events.setdefault((record["context"]["tracking_id"], body["_en"]), []).append(body)
    counted = Counter({names: len(bodies) for names, bodies in events.items()})
    assert counted == {
        ("G-1", "purchase"): 1, ("G-1", "scroll"): 30, ("G-1", "dated"): 1, ("G-1", "postponed"): 1, ("1:2:web:3", "screen_view"): 1,
        ("segment", "Home"): 2, ("segment", "identify"): 2, ("segment", "Order Completed"): 2, ("rudder", "Order Completed"): 1,
        ("rudder", "Home"): 1, ("rudder", "Cart"): 1, ("rudder", "group"): 1, ("rudder", "alias"): 1,
    }  # fmt: skip
    for names in (("G-1", "purchase"), ("segment", "Order Completed"), ("rudder", "Order Completed")):
        assert all(ORDER.items() <= body.items() for body in events[names])
    for tenant in ("segment", "rudder"):
        assert (events[tenant, "Home"][0]["t"], events[tenant, "Home"][0]["dl"]) == (
            "pageview",
            "https://shop.example/",
        )
    assert events["G-1", "purchase"][0]["uid"] == "ann" and events["segment", "identify"][0]["uid"] == "ann"
    assert events["1:2:web:3", "screen_view"][0]["cd"] == "Home" and events["rudder", "Cart"][0]["t"] == "screenview"
    # An hour ago, as the library says it: to the second, in the machine's own zone.
    assert 3_599_000 <= int(events["G-1", "dated"][0]["qt"]) < 3_700_000
    assert {record["context"]["user_agent"] for record in front.records} == {None}
