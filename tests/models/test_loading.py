"""From the archive to RAW.LOGS: what counts as an object and a line, and what a damaged one may cost (nothing else)."""

from __future__ import annotations

import gzip
import uuid
from collections import Counter
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import cast
from unittest import mock

import boto3
import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import igzip
from moto import mock_aws

from collector.archive_keys import object_key
from collector.contract import queue_time_ms
from ingestion_platform.resources import line_reader
from ingestion_platform.resources.archive import Archive, ArchiveObject, data_version
from ingestion_platform.resources.duckdb import sql as duckdb_sql
from ingestion_platform.resources.folder_archive import FolderArchive
from ingestion_platform.resources.line_reader import LineStream, split_lines
from ingestion_platform.resources.load_plan import missing_objects
from ingestion_platform.resources.s3_archive import S3Archive
from ingestion_platform.resources.strict_lines import REFUSED
from ingestion_platform.resources.warehouse import LOG_ID_NAMESPACE

DAY, NEXT = date(2026, 1, 10), date(2026, 1, 11)


@pytest.mark.parametrize("damage", ["half", "bytes"])
def test_a_damaged_object_costs_nothing_that_was_loaded(bench, record, at, damage: str) -> None:
    """An object that was overwritten by half of itself, or with other bytes in its middle, is named, its old rows stay, its
    neighbours load."""
    key = bench.deliver([record(at("2026-01-10 10:00"))])
    bench.load(DAY, NEXT)
    whole = bench.archive.read(key)
    bench.archive.put(key, whole[: len(whole) // 2] if damage == "half" else whole[:30] + b"\xff" * 60 + whole[80:])
    bench.deliver([record(at("2026-01-10 11:00"))])
    report = {load.arrival_date: load for load in bench.warehouse.load(bench.archive, DAY, NEXT)}[DAY]
    assert [key in error for error in report.errors] == [True]
    assert bench.rows("select count(*) from raw.logs") == [(2,)]
    bench.archive.put(key, whole)
    assert not any(load.errors for load in bench.warehouse.load(bench.archive, DAY, NEXT, full_reload=(DAY, NEXT)))
    assert bench.rows("select count(*), count(distinct log_id) from raw.logs") == [(2, 2)]


def test_log_ids_are_uuid5_of_object_and_line(bench, record, at) -> None:
    """The id of a line is the same whoever computes it."""
    key = bench.deliver([record(at("2026-01-10 10:00")), b"no json\n", record(at("2026-01-10 10:01"))])
    bench.load(DAY, NEXT)
    expected = [str(uuid.uuid5(uuid.UUID(LOG_ID_NAMESPACE), f"{key}:{line}")) for line in (1, 2, 3)]
    found = bench.rows(
        "select log_id from (select log_id, log_file_row_number as n from raw.logs union all select log_id, log_file_row_number from raw.bad_lines) order by n"
    )
    assert [str(row[0]) for row in found] == expected


_LOOKS_WHOLE = b'{"request": {"body": {"t": "pageview"}\n'


@pytest.mark.parametrize(
    ("bad", "read"),
    [
        ([b"no json\n", b'{"cut of\n', b"\xff{}\n"], 1),
        ([_LOOKS_WHOLE], 2),
        ([_LOOKS_WHOLE, b"no json\n"], 2),
        ([b"garbage\n"] * 1_200, 2),
    ],
)
def test_bad_lines_are_quarantined_each_once(bench, record, at, monkeypatch, bad: list[bytes], read: int) -> None:
    """Whatever a bad line looks like, it is kept under its number and costs its neighbours nothing; an object is read again only
    where a look at the first and last characters of its lines could not tell."""
    whole = bench.deliver([record(at("2026-01-10 10:00")), b"[]\n"])
    spoilt = bench.deliver([record(at("2026-01-10 10:01")), *bad])
    reads = Counter[str]()
    original = FolderArchive.read

    def counted(archive: FolderArchive, key: str) -> bytes:
        reads[key] += 1
        return original(archive, key)

    monkeypatch.setattr(FolderArchive, "read", counted)
    bench.load(DAY, NEXT)
    assert reads == {whole: 1, spoilt: read}
    assert bench.rows("select log_file_row_number from raw.bad_lines order by all") == [
        (number,) for number in range(2, len(bad) + 2)
    ]
    assert bench.rows("select count(*) from raw.logs") == [(3,)]
    assert bench.rows("select row_count, bad_lines from raw.load_history order by bad_lines") == [(2, 0), (1, len(bad))]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"\n  \na\n\n", ["a"]),
        (b"a\r\n", ["a\r"]),
        (b"\xff\na\n", [REFUSED + "\ufffd", "a"]),
        ("é\n€\n".encode(), ["é", "€"]),
    ],
)
def test_lines_are_what_stands_between_newlines(text: bytes, lines: list[str]) -> None:
    """Blank lines count for nothing, a last line needs no newline, and bytes that are no text spoil only their own line."""
    assert [line.removesuffix("\n") for line in split_lines(text).to_pylist()] == lines


_PARTS = st.sampled_from([b"{}", b"a", b" ", b"\n", b"\n\n", b"\xff", "é€".encode(), b"x" * 200])


@given(st.lists(_PARTS, max_size=40).map(b"".join), st.integers(1, 300))
def test_an_object_read_in_pieces_has_the_lines_of_the_whole(text: bytes, piece: int) -> None:
    """Lines and their numbers are the same wherever the text is cut."""
    item = ArchiveObject(object_key("hits", datetime(2026, 1, 10, tzinfo=UTC), str(uuid.UUID(int=1))), 1, "e")
    archive = cast(
        Archive,
        SimpleNamespace(read=lambda key: gzip.compress(text[: len(text) // 2]) + gzip.compress(text[len(text) // 2 :])),
    )
    with mock.patch.object(line_reader, "_PIECE_BYTES", piece):
        stream = LineStream(archive, [item])
        read = stream.reader().read_all()
    lines = split_lines(text).to_pylist()
    assert read.column("line").to_pylist() == lines
    assert read.column("row_number").to_pylist() == list(range(1, len(lines) + 1))
    assert stream.counts == {item.key: len(lines)}


_QUEUE_TIMES = st.one_of(
    st.integers(-(10**6), 10**20).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.text(max_size=12),
)


@settings(max_examples=300)
@given(value=_QUEUE_TIMES)
def test_queue_times_are_read_alike_by_collector_and_loader(value: str) -> None:
    """`event_at` is decided in SQL; the contract's Python says what it must be."""
    sql = "select " + duckdb_sql.QUEUE_TIME_MS.replace("body.qt", "$qt::varchar")
    with duckdb.connect() as connection:
        assert connection.execute(sql, {"qt": value}).fetchall()[0][0] == queue_time_ms({"qt": value})


def test_only_archive_objects_are_objects(tmp_path) -> None:
    """A temporary file of a delivery in progress, or somebody's notes, are not loaded."""
    archive = FolderArchive(tmp_path)
    assert archive.objects(DAY, NEXT) == []
    key = "stream_data/2026/01/10/10/s-1-2026-01-10-10-00-00-5d0f21f5-2b3c-5d3a-9d0c-5d2c6f3a7b10.gz"
    archive.put(key, b"x" * 20)
    for foreign in (".hidden.gz", "notes.txt", f"{key.rpartition('/')[2]}.tmp"):
        (tmp_path / key).with_name(foreign).write_bytes(b"x")
    assert [item.key for item in archive.objects(DAY, NEXT)] == [key]
    assert archive.dates() == [DAY]


def test_what_is_passed_over_is_named(tmp_path) -> None:
    """A `.json.gz` or `.jsonl.gz` in an hour's folder is an object like any other; other endings, ids in upper case, missing hours and hours
    that no day has are none, and are named instead of overlooked."""
    archive = FolderArchive(tmp_path)
    hour, name = "stream_data/2026/01/10/10", "s-1-2026-01-10-10-00-00-5d0f21f5-2b3c-5d3a-9d0c-5d2c6f3a7b1"
    taken = [f"{hour}/hits.jsonl.gz", f"{hour}/part=1.json.gz", f"{hour}/{name}0.gz"]
    passed = [
        f"{hour}/{name}0.gz.json", f"{hour}/{name}A.gz", f"{hour}/notes.txt", f"{hour}/deeper/hits.json.gz",
        f"stream_data/2026/01/10/{name}0.gz", "stream_data/2026/01/10/24/hits.json.gz", "stream_data/2026/02/30/10/hits.json.gz",
    ]  # fmt: skip
    for key in (*taken, *passed, f"{hour}/.{name}0.gz.tmp"):
        archive.put(key, igzip.compress(b"{}\n"))
    assert [item.key for item in archive.objects(DAY, NEXT)] == sorted(taken)
    assert archive.passed_over() == sorted(passed)


def test_folder_and_bucket_are_twins(tmp_path) -> None:
    """The same objects under the same keys, wherever they lie; an object's tag changes with its content."""
    key = "stream_data/2026/01/10/10/s-1-2026-01-10-10-00-00-5d0f21f5-2b3c-5d3a-9d0c-5d2c6f3a7b10.gz"
    first_content, other_content = igzip.compress(b"first\n"), igzip.compress(b"other\n")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="archive")
        for archive in (FolderArchive(tmp_path), S3Archive("archive", client)):
            archive.put(key, first_content)
            first = archive.objects(DAY, NEXT)
            archive.put(key, other_content)
            other = archive.objects(DAY, NEXT)
            assert [(item.key, item.size, item.arrival_date) for item in first] == [(key, len(first_content), DAY)]
            assert data_version(first) != data_version(other)
            assert archive.read(key) == other_content
            assert archive.dates() == [DAY]
            assert archive.objects(NEXT, date(2026, 1, 12)) == []


def test_what_is_missing_is_a_difference() -> None:
    """Nothing is loaded twice: only new and replaced objects are added, only gone and replaced ones removed."""

    def item(number: int, etag: str = "e") -> ArchiveObject:
        return ArchiveObject(
            f"stream_data/2026/01/10/10/s-1-2026-01-10-10-00-0{number}-5d0f21f5-2b3c-5d3a-9d0c-5d2c6f3a7b10.gz", 1, etag
        )

    missing = missing_objects([item(1), item(2, "new"), item(3)], [item(1), item(2, "old"), item(4)])
    assert missing.add == [item(2, "new"), item(3)]
    assert missing.remove == [item(2, "old"), item(4)]
    again = missing_objects([item(1)], [item(1)], (DAY, NEXT))
    assert (again.add, again.remove) == ([item(1)], [item(1)])
