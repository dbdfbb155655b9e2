"""Public Google Analytics client libraries, unchanged but for the host, send real hits to the local server."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from collector.local_process import running_collector

pytestmark = pytest.mark.browser

CLIENTS = Path(__file__).with_name("collector_clients")
CID = "35009a79-1a6d-49d7-b120-2b829d202652"


def _hits(data_dir: Path) -> list[dict[str, Any]]:
    """The bodies of all archived hits; a refused one fails the test with its reason."""
    records = []
    for path in (data_dir / "archive").rglob("*.gz"):
        records += [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert [record["rejected"] for record in records if "rejected" in record] == []
    assert {record["context"]["client_id"] for record in records} == {CID}
    return [record["request"]["body"] for record in records]


def test_universal_analytics_from_npm(tmp_path: Path) -> None:
    """The most used GA client of node: form lines to /batch for several hits, a form body to /collect for one."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are needed for this client library")
    installed = tmp_path / "clients"
    shutil.copytree(CLIENTS, installed)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=installed, check=True, timeout=300)
    with running_collector(tmp_path) as collector:
        subprocess.run(["node", "send_hits.js", collector.url], cwd=installed, check=True, timeout=60)
    hits = {hit["t"]: hit for hit in _hits(tmp_path)}
    assert set(hits) == {"pageview", "event", "transaction", "item", "exception", "timing", "screenview"}
    assert hits["pageview"]["dt"] == "Käse & Brot" and hits["pageview"]["dp"] == "/p/1?a=b&c"
    assert hits["event"]["ev"] == "42" and hits["event"]["uid"] == "user-1"
    assert hits["transaction"]["tr"] == "12.50"
    assert (hits["item"]["ic"], hits["item"]["ip"], hits["item"]["iq"]) == ("SKU1", "3.10", "2")


def test_google_measurement_protocol_from_pypi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python client posts forms with `requests`; products of an enhanced purchase arrive with their indexes. The
    library leaves the hit type out of that one hit: it has to be passed, as its caller would learn from the 400."""
    import google_measurement_protocol as gmp
    from prices import Money

    # The package's function of the same name hides this module.
    library = sys.modules["google_measurement_protocol.report"]
    with running_collector(tmp_path) as collector:
        monkeypatch.setattr(library, "TRACKING_URI", f"{collector.url}/collect")
        items = [
            gmp.enhanced_item("One product", Money("12.50", "EUR"), quantity=2, item_id="SKU1"),
            gmp.enhanced_item("Two", Money("3", "EUR")),
        ]
        payloads = [
            *gmp.pageview(path="/p/1", title="Käse & Brot"),
            *gmp.event("ecommerce", "add", label="SKU1", value=7),
            *gmp.enhanced_purchase("T-1", items, Money("28.00", "EUR"), "/thanks", Money("1.30", "EUR"), t="event"),
        ]
        responses = gmp.report("UA-10000-1", CID, payloads, uip="198.51.100.9")
        assert [response.status_code for response in responses] == [200] * len(payloads)
        assert all(response.content.startswith(b"GIF89a") for response in responses)
    hits = _hits(tmp_path)
    assert len(hits) == len(payloads)
    assert {hit["uip"] for hit in hits} == {"198.51.100.0"}
    (purchase,) = [hit for hit in hits if hit.get("pa") == "purchase"]
    assert (purchase["pr1id"], purchase["pr1qt"], purchase["ti"]) == ("SKU1", "2", "T-1")
    assert (purchase["tr"], purchase["tt"]) == ("28.00", "1.30")
    assert purchase["pr2nm"] == "Two"
