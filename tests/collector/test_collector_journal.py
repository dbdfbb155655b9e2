"""The journal and the local delivery stream below the server: torn tails, damage, full disks, shared folders."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collector import journal as journal_module
from collector.archive_keys import parse_key
from collector.journal import DamagedJournal, Journal, journals_in
from collector.local_delivery import drain
from collector.local_stream import LocalDeliveryStream

NOW_MS = 1_772_323_200_000


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """An empty archive and an empty spool."""
    archive, spool = tmp_path / "archive", tmp_path / "spool"
    archive.mkdir()
    spool.mkdir()
    return archive, spool


@pytest.fixture
def stream(folders: tuple[Path, Path]) -> Iterator[LocalDeliveryStream]:
    """A running stream that rotates when told to close."""
    running = LocalDeliveryStream(*folders, rotate_seconds=900)
    running.start()
    yield running
    running.close()


def _written(spool: Path, *groups: bytes) -> Path:
    journal = Journal.create(spool, NOW_MS)
    for lines in groups:
        journal.append(lines)
    journal.close()
    return journal.path


def _put(stream: LocalDeliveryStream, *lines: bytes) -> bool:
    waiter: Future[bool] = Future()
    stream.submit([(lines, waiter)])
    return waiter.result(timeout=20)


@pytest.mark.dates
def test_a_drained_journal_is_an_object_in_the_key_layout(
    folders: tuple[Path, Path], archived: Callable[[Path], list[Any]]
) -> None:
    """Arrival is the moment of delivery, so a journal of last week lands under today, as Firehose would land it."""
    archive, spool = folders
    _written(spool, b'{"n":1}\n{"n":2}\n', b'{"n":3}\n')
    began = datetime.now(UTC).replace(microsecond=0)
    drained = drain(archive, spool)
    assert (drained.objects, drained.records) == (1, 3)
    assert journals_in(spool) == []
    assert archived(archive.parent) == [{"n": 1}, {"n": 2}, {"n": 3}]
    (path,) = archive.rglob("*.gz")
    key = parse_key(str(path.relative_to(archive)))
    assert key is not None and key.stream == "collector"
    assert began <= key.arrived_at <= datetime.now(UTC)
    assert not list(archive.rglob("*.tmp"))


@pytest.mark.parametrize("cut", range(1, 28))
def test_a_torn_tail_was_never_acknowledged(
    folders: tuple[Path, Path], archived: Callable[[Path], list[Any]], cut: int
) -> None:
    """A crash within a write leaves any part of its group; what was acknowledged before it is delivered."""
    archive, spool = folders
    path = _written(spool, b'{"n":1}\n', b'{"n":2}\n{"n":3}\n')
    os.truncate(path, path.stat().st_size - cut)
    assert drain(archive, spool).records == 1
    assert archived(archive.parent) == [{"n": 1}]


def test_a_journal_of_zeros_or_nothing_leaves_no_object(folders: tuple[Path, Path]) -> None:
    """A power cut can leave a file that has its length and not its content, or neither."""
    archive, spool = folders
    _written(spool)
    path = _written(spool)
    path.write_bytes(bytes(4096))
    assert drain(archive, spool).records == 0
    assert list(archive.rglob("*.gz")) == [] and journals_in(spool) == []


def test_damage_stops_a_drain_until_the_operator_salvages(
    folders: tuple[Path, Path], archived: Callable[[Path], list[Any]]
) -> None:
    """Acknowledged records behind a bad sector must not vanish in silence: one line, nothing removed; `salvage`
    delivers what is whole and keeps the file."""
    archive, spool = folders
    path = _written(spool, b'{"n":1}\n', b'{"n":2}\n', b'{"n":3}\n')
    content = bytearray(path.read_bytes())
    content[content.index(b'"n":2')] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        DamagedJournal, match=r"damaged at byte 20: run `python -m collector drain --salvage`"
    ) as damage:
        drain(archive, spool)
    assert "\n" not in str(damage.value)
    (kept,) = journals_in(spool)
    assert kept.read_bytes() == content
    assert archived(archive.parent) == []
    drained = drain(archive, spool, salvage=True)
    assert (drained.records, drained.put_aside) == (2, 1)
    assert archived(archive.parent) == [{"n": 1}, {"n": 3}]
    assert [path.read_bytes() for path in (spool / "damaged").iterdir()] == [content]
    assert journals_in(spool) == []


@pytest.mark.parametrize("content", [b"garbage", b"\xff\xfe\xfd\xfc" + bytes(8) + b"garbage", b'{"n":1}\n' * 9])
def test_a_file_that_is_no_journal_is_damage(folders: tuple[Path, Path], content: bytes) -> None:
    """What no crash of ours can have left is not thrown away as if it were a torn tail; nor is a group whose bits
    have changed although it is the last one."""
    archive, spool = folders
    path = _written(spool)
    path.write_bytes(content)
    with pytest.raises(DamagedJournal):
        drain(archive, spool)
    assert drain(archive, spool, salvage=True).put_aside == 1
    rotten = _written(spool, b'{"n":1}\n')
    rotten.write_bytes(rotten.read_bytes().replace(b"1", b"2"))
    with pytest.raises(DamagedJournal):
        drain(archive, spool)


def test_a_delivery_that_was_interrupted_is_done_again_under_its_key(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, archived: Callable[[Path], list[Any]]
) -> None:
    """Killed between the object and the journal's end, a delivery would leave its records twice under two keys."""
    archive, spool = folders
    _written(spool, b'{"n":1}\n')
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "remove", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            drain(archive, spool)
    assert len(journals_in(spool)) == 1
    (before,) = archive.rglob("*.gz")
    content = before.read_bytes()
    time.sleep(1.1)
    drain(archive, spool)
    (after,) = archive.rglob("*.gz")
    assert (after, after.read_bytes()) == (before, content)
    assert archived(archive.parent) == [{"n": 1}]


def test_a_living_process_keeps_its_journal(folders: tuple[Path, Path], stream: LocalDeliveryStream) -> None:
    """Draining beside a running server must not take its journal away under its hands."""
    assert _put(stream, b'{"n":1}\n')
    drained = drain(*folders)
    assert (drained.records, drained.held) == (0, 1)
    assert len(journals_in(folders[1])) == 1


def test_a_stream_delivers_what_a_dead_neighbour_left(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, archived: Callable[[Path], list[Any]]
) -> None:
    """A worker that is killed is replaced, and the replacement writes a journal of its own: somebody must take the
    orphan, and not before its process is gone."""
    archive, spool = folders
    monkeypatch.setattr("collector.local_stream.SWEEP_SECONDS", 0.1)
    code = (
        "import sys, pathlib; from collector.journal import Journal;"
        f"j = Journal.create(pathlib.Path({str(spool)!r}), {NOW_MS}); j.append(b'{{\"n\":1}}\\n');"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as neighbour:
        assert neighbour.stdout is not None and neighbour.stdout.readline() == b"ready\n"
        stream = LocalDeliveryStream(archive, spool)
        stream.start()
        time.sleep(0.5)
        assert archived(archive.parent) == []
        neighbour.kill()
    deadline = time.monotonic() + 20
    while not archived(archive.parent) and time.monotonic() < deadline:
        time.sleep(0.05)
    stream.close()
    assert archived(archive.parent) == [{"n": 1}]


def test_a_flood_does_not_keep_orphans_waiting(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, archived: Callable[[Path], list[Any]]
) -> None:
    """Orphans were looked for only when no journal had been sealed for a while, which under a flood is never."""
    archive, spool = folders
    monkeypatch.setattr("collector.local_stream.SWEEP_SECONDS", 0.3)
    path = _written(spool, b'{"n":"orphan"}\n')
    stream = LocalDeliveryStream(archive, spool, rotate_bytes=1)
    stream.start()
    deadline = time.monotonic() + 20
    while path.exists() and time.monotonic() < deadline:
        assert _put(stream, b'{"n":"flood"}\n')
    assert time.monotonic() < deadline
    stream.close()
    assert sum(record["n"] == "orphan" for record in archived(archive.parent)) == 1


def test_it_rotates_by_size_and_by_age(folders: tuple[Path, Path], archived: Callable[[Path], list[Any]]) -> None:
    """Neither a trickle of hits nor a flood of them may keep records from the archive."""
    archive, spool = folders
    for options, lines in (
        ({"rotate_seconds": 0.3}, b'{"n":1}\n'),
        ({"rotate_bytes": 1024}, b'{"n":"%s"}\n' % (b"x" * 1024)),
    ):
        stream = LocalDeliveryStream(archive, spool, **options)
        stream.start()
        before = len(archived(archive.parent))
        assert _put(stream, lines)
        deadline = time.monotonic() + 20
        while len(archived(archive.parent)) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(archived(archive.parent)) == before + 1
        stream.close()


def test_a_closed_stream_takes_nothing_and_drops_nothing(
    folders: tuple[Path, Path], archived: Callable[[Path], list[Any]]
) -> None:
    """Everything acknowledged before the close is delivered by it; after it nothing is acknowledged."""
    stream = LocalDeliveryStream(*folders)
    stream.start()
    waiters: list[Future[bool]] = [Future() for _ in range(500)]
    for number, waiter in enumerate(waiters):
        stream.submit([([b'{"n":%d}\n' % number], waiter)])
    stream.close()
    acknowledged = [number for number, waiter in enumerate(waiters) if waiter.result(timeout=5)]
    assert [record["n"] for record in archived(folders[0].parent)] == acknowledged == list(range(500))
    assert not _put(stream, b'{"n":-1}\n')


def test_a_failed_write_is_refused_taken_back_and_passes(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, archived: Callable[[Path], list[Any]]
) -> None:
    """A disk that is full in the middle of a group: the client hears no, the half group is taken back, and the next
    group lands behind whole ones as soon as there is space."""
    stream = LocalDeliveryStream(*folders)
    stream.start()
    assert _put(stream, b'{"n":1}\n')
    real = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) > 8:
            return real(descriptor, data[:8], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os, "pwrite", full)
        assert not _put(stream, b'{"n":2}\n')
        assert stream.health()["status"] == "refusing"
        assert "No space left" in stream.health()["detail"]
    assert _put(stream, b'{"n":3}\n')
    assert stream.health()["status"] == "ok"
    stream.close()
    assert [record["n"] for record in archived(folders[0].parent)] == [1, 3]


def test_a_journal_that_cannot_be_taken_back_is_given_up(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, archived: Callable[[Path], list[Any]]
) -> None:
    """Where even the half group cannot be removed, appending behind it would bury acknowledged records in damage."""
    stream = LocalDeliveryStream(*folders)
    stream.start()
    assert _put(stream, b'{"n":1}\n')

    def broken(descriptor: int, *_: Any) -> int:
        os.lseek(descriptor, 0, os.SEEK_END)
        os.write(descriptor, b"\xff\xfe\xfd\xfc\x00\x00\x01\x00 half a group")
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os, "pwrite", broken)
        patch.setattr(journal_module.os, "ftruncate", broken)
        assert not _put(stream, b'{"n":2}\n')
    assert _put(stream, b'{"n":3}\n')
    stream.close()
    assert sorted(record["n"] for record in archived(folders[0].parent)) == [1, 3]


def test_an_archive_that_cannot_be_written_is_tried_again(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, archived: Callable[[Path], list[Any]]
) -> None:
    """An object that fails keeps its journal; hits go on being taken, and it is delivered when the folder is back."""
    archive, spool = folders
    monkeypatch.setattr("collector.local_stream.SWEEP_SECONDS", 0.1)
    archive.rmdir()
    archive.write_text("in the way")
    stream = LocalDeliveryStream(archive, spool, rotate_seconds=0.1)
    stream.start()
    assert _put(stream, b'{"n":1}\n')
    time.sleep(0.4)
    assert _put(stream, b'{"n":2}\n')
    assert stream.health()["spool"]["journals"] >= 1
    assert stream.health()["spool"]["oldest_undelivered_seconds"] > 0.3
    archive.unlink()
    deadline = time.monotonic() + 20
    while journals_in(spool) and time.monotonic() < deadline:
        time.sleep(0.05)
    stream.close()
    assert sorted(record["n"] for record in archived(archive.parent)) == [1, 2]
