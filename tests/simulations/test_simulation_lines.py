"""Archive lines: the fast path against the collector's own functions, and the same bytes for the same date, always."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ua_parser import user_agent_parser

from collector.archive_keys import parse_key
from collector.contract import find_parameter, invalid_parameters, require_hit
from collector.privacy import truncate_address
from collector.records import Source, build_record, encode
from simulations.config import HISTORY_TRACKING_PREFIX, STREAM, TrafficConfig
from simulations.faults import ACCEPTED, deliveries
from simulations.generate import plan_day
from simulations.history import write_day, write_history
from simulations.lines import Lines
from simulations.plan import KINDS
from simulations.truth import TruthError

DAY = date(2026, 2, 14)
CONFIG = TrafficConfig(
    seed=3, hits_per_day=12_000, marathon_bots=1.0, skewed_queue_times=0.02, rejected=0.01, outages=0.0
)


def digests(root: Path) -> dict[str, str]:
    """Every file below `root` with a digest of its bytes."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """The accepted records of a date that has hits of every kind."""
    plan = plan_day(DAY, CONFIG)
    assert {KINDS[kind] for kind in plan.hits.kind.tolist()} == set(KINDS)
    lines = Lines(plan)
    return [
        json.loads(line)
        for delivery in deliveries(plan)
        for line in lines.accepted(delivery.rows[delivery.kinds == ACCEPTED])
    ]


def test_lines_are_those_of_the_collector() -> None:
    """Lines are put together from text for speed: each one has to be, byte for byte, what the collector would have
    written for the same hit, flags of invalid values included."""
    plan = plan_day(DAY, CONFIG)
    lines = Lines(plan)
    seen = 0
    for delivery in deliveries(plan):
        for line in lines.accepted(delivery.rows[delivery.kinds == ACCEPTED]):
            record = json.loads(line)
            request = record["request"]
            source = Source(
                request["method"],
                request["path"],
                request["hostname"],
                record["context"]["user_ip"],
                request["headers"],
            )
            rebuilt = build_record(
                request["body"],
                source,
                event_id=record["event_id"],
                received_at=request["timestamp"],
                responded_at=record["response"]["timestamp"],
            )
            assert encode(rebuilt).decode() == line
            seen += 1
    assert seen > 5000


def test_hits_keep_the_contract(records: list[dict[str, Any]]) -> None:
    """Only `qt` is ever wrong on purpose: any other invalid or misspelt parameter would be a bug of the simulator (the
    seed's simulator had languages like `fr-CAta-IN` and a multiplication sign in resolutions)."""
    names = set()
    for record in records:
        body = record["request"]["body"]
        require_hit(body)
        assert set(invalid_parameters(body)) <= {"qt"}
        assert all(isinstance(value, str) for value in body.values())
        names |= body.keys()
        ip = record["context"]["user_ip"]
        assert truncate_address(ip) == ip, "addresses are truncated before they reach disk"
        assert body["sr"].replace("x", "").isdigit() and len(body["ul"]) == 5
        assert body["tid"].startswith(HISTORY_TRACKING_PREFIX)
    assert all(find_parameter(name) for name in names), "a name the protocol does not have"


def test_bots_are_told_by_their_user_agent(records: list[dict[str, Any]]) -> None:
    """The truth counts bots apart by the same rule as the models: ua-parser's word for the user agent."""
    families: Counter[bool] = Counter()
    for agent in {record["context"]["user_agent"] for record in records}:
        is_spider = user_agent_parser.ParseDevice(agent)["family"] == "Spider"
        assert is_spider == ("bot" in agent.lower()), agent
        families[is_spider] += 1
    assert families[True] >= 4 and families[False] >= 8


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Deterministic per (seed, date), whatever PYTHONHASHSEED says (`hash()` differs from process to process)."""
    program = (
        "import sys; from datetime import date; from pathlib import Path; from simulations.config import TrafficConfig;"
        "from simulations.history import write_day;"
        "write_day(Path(sys.argv[1]) / 'archive', date(2026, 2, 14), TrafficConfig(seed=3, hits_per_day=1500,"
        "protocols=(('v1', 1), ('ga4', 1), ('ga4_mp', 1), ('segment', 1))))"
    )
    found = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", program, str(folder)], check=True, env=environment)
        found.append(digests(folder))
    assert found[0] == found[1]
    assert len(found[0]) > 70


def test_writing_a_date_again_touches_nothing(tmp_path: Path) -> None:
    """A partition is materialized any number of times: same keys, same bytes, and right files stay untouched."""
    first = write_day(tmp_path / "archive", DAY, CONFIG)
    before = digests(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "archive").rglob("*.gz")}
    damaged = min(written)
    damaged.write_bytes(b"half an obj")
    assert write_day(tmp_path / "archive", DAY, CONFIG) == first
    assert digests(tmp_path) == before
    assert [path for path, at in written.items() if path.stat().st_mtime_ns != at] == [damaged]


def test_dates_do_not_depend_on_each_other_or_on_the_target(tmp_path: Path) -> None:
    """A date written alone, with others, in another process or into a bucket has the same objects."""
    days = [DAY + timedelta(days=n) for n in range(3)]
    config = TrafficConfig(hits_per_day=1500)
    reports = list(write_history(tmp_path / "all" / "archive", days, config, processes=2))
    assert sorted(written.day for written in reports) == days
    bucket: dict[str, bytes] = {}
    for day in reversed(days):
        write_day(bucket.__setitem__, day, config, tmp_path / "bucket" / "truth")
    files = {key: hashlib.sha256(data).hexdigest() for key, data in bucket.items()}
    assert files == digests(tmp_path / "all" / "archive")
    assert digests(tmp_path / "bucket" / "truth") == digests(tmp_path / "all" / "truth")


def test_objects_lie_under_the_archive_s_own_keys(tmp_path: Path) -> None:
    """Loaders find objects by their key; the hour is that of arrival, never before the records were received."""
    write_day(tmp_path / "archive", DAY, CONFIG)
    received_hours = set()
    for path in (tmp_path / "archive").rglob("*"):
        if path.is_dir():
            continue
        key = parse_key(str(path.relative_to(tmp_path / "archive")))
        assert key is not None and key.stream == STREAM
        assert key.arrived_at.hour == key.arrival_hour and key.arrived_at.date() == key.arrival_date
        for line in gzip.decompress(path.read_bytes()).splitlines():
            if b'"statusCode":200' in line:
                received = json.loads(line)["request"]["timestamp"]
                # A delivery starts with its oldest record: within the quarter of an hour, or later for late ones.
                assert received < key.arrived_at.timestamp() * 1000 + 15 * 60_000
                received_hours.add((key.arrival_date, key.arrival_hour))
    assert len([hour for day, hour in received_hours if day == DAY]) == 24


def test_another_configuration_of_a_written_date_is_refused(tmp_path: Path) -> None:
    """Objects of two configurations side by side would be counted twice, and no truth would fit them."""
    write_day(tmp_path / "archive", DAY, TrafficConfig(hits_per_day=200))
    before = digests(tmp_path)
    with pytest.raises(TruthError, match="another seed") as error:
        write_day(tmp_path / "archive", DAY, TrafficConfig(hits_per_day=200, seed=5))
    assert "\n" not in str(error.value)
    assert digests(tmp_path) == before


def test_an_interrupted_date_is_not_complete_until_it_is_written_again(tmp_path: Path) -> None:
    """Objects without their truth must not pass for a date that nothing was generated for."""
    from simulations.truth import expected

    written = 0

    def put(key: str, data: bytes) -> None:
        nonlocal written
        written += 1
        if written > 20:
            raise OSError(28, "No space left on device")

    config = TrafficConfig(hits_per_day=500)
    with pytest.raises(OSError, match="No space"):
        write_day(put, DAY, config, tmp_path)
    for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=2)):
        assert not expected(tmp_path, day, day + timedelta(days=1)).dates[day].complete
    bucket: dict[str, bytes] = {}
    write_day(bucket.__setitem__, DAY, config, tmp_path)
    assert expected(tmp_path, DAY, DAY + timedelta(days=1)).dates[DAY].complete


def test_no_traffic_is_no_object(tmp_path: Path) -> None:
    """A date without a visit is an ordinary date, not a failure."""
    report = write_day(tmp_path / "archive", DAY, TrafficConfig(hits_per_day=0))
    assert (report.objects, report.lines) == (0, 0)


@pytest.mark.parametrize("wrong", [{"hits_per_day": -1}, {"queued": 1.5}, {"objects_per_hour": 0}, {"seed": -1}])
def test_configurations_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    """A rate of 1.5 would silently become something else."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrafficConfig(**wrong)


def test_traffic_has_the_published_shape_of_the_coveo_data_set() -> None:
    """What is built on this traffic is only worth something if visits, funnel and long tail are those of a real shop."""
    lengths: list[int] = []
    visited: Counter[str] = Counter()
    per_day, products, hours = [], Counter[int](), Counter[int]()
    for n in range(14):
        plan = plan_day(DAY + timedelta(days=n), TrafficConfig().without_faults())
        hits = plan.hits
        lengths += np.bincount(hits.visit).tolist()
        per_day.append(len(hits.visit))
        hours.update((hits.received // 3_600_000 % 24).tolist())
        kinds = np.array(KINDS)[hits.kind]
        products.update(hits.product[np.char.startswith(kinds, "detail")].tolist())
        for action in ("detail", "add", "remove", "purchase"):
            visited[action] += len(np.unique(hits.visit[np.char.startswith(kinds, action)]))
    assert np.percentile(lengths, [25, 50, 75, 90, 95]).tolist() == pytest.approx([2, 3, 8, 17, 27], abs=1)
    assert np.mean(lengths) == pytest.approx(7.31, rel=0.03)
    shares = {action: n / len(lengths) for action, n in visited.items()}
    assert shares["detail"] == pytest.approx(0.661, rel=0.06)
    assert shares["add"] == pytest.approx(0.0435, rel=0.15)
    assert shares["remove"] == pytest.approx(0.0116, rel=0.25)
    assert shares["purchase"] == pytest.approx(0.0108, rel=0.2)
    assert np.mean(per_day) == pytest.approx(20_000, rel=0.05)
    assert hours[20] > 4 * hours[3]
    looks = sorted(products.values(), reverse=True)
    assert sum(looks[: len(looks) // 10]) > 0.4 * sum(looks)
