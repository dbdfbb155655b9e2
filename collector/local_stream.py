"""The local delivery stream: Firehose's part on a laptop, from an acknowledged record to an object in the archive.

    submit -> group commit (a thread of its own) -> journal in spool/ -> [rotation] -> archive/<key>.gz -> journal gone

All records that arrive while one sync runs share the next one, so throughput does not pay a sync a hit. A journal is
delivered when it is `rotate_bytes` big or its first record `rotate_seconds` old. Its object gets its key when the
journal is sealed and appears atomically, so a delivery that a crash interrupts is simply done again under that key.

A record that was not made durable is reported as such and is never acknowledged; once there is space again the next
commit succeeds. An object that cannot be written is tried again; its journal stays until then.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from collector.journal import DamagedJournal, Journal, first_record_ms, journals_in
from collector.local_delivery import deliver, drain

# The most that may wait for a commit; beyond it a disk that hangs would fill the memory.
MAX_PENDING_BYTES = 64 * 1024 * 1024
# How often a delivery that failed is tried again, and the spool looked through for what a dead worker left.
SWEEP_SECONDS = 5.0

logger = logging.getLogger("collector")


class Waiter(Protocol):
    """Who waits for a commit: a future of threads or of asyncio."""

    def done(self) -> bool:
        """Whether it waits no more."""

    def set_result(self, result: bool, /) -> None:
        """Hear whether the records are durable."""


# The lines of one request, each with its newline, and who waits for them.
Entry = tuple[Sequence[bytes], Waiter]
Settle = Callable[[list[Waiter], bool], object]


def settle(waiters: Iterable[Waiter], durable: bool) -> None:
    """Tell everybody who still waits."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(durable)


class LocalDeliveryStream:
    """A delivery stream into a folder. `start` it before the first record, `close` it to deliver what is left.

    `settle` is called in the commit's thread with the futures of a commit and whether their records are durable; a
    server on asyncio passes one that goes through its loop.
    """

    def __init__(
        self,
        archive: Path,
        spool: Path,
        *,
        rotate_seconds: float = 30.0,
        rotate_bytes: int = 5_242_880,
        settle: Settle = settle,
    ) -> None:
        self._archive, self._spool = archive, spool
        self._rotate_seconds, self._rotate_bytes = rotate_seconds, rotate_bytes
        self._settle = settle
        self._wake = threading.Condition()
        self._pending: list[Entry] = []
        self._pending_bytes = 0
        self._closing = False
        self._refusing = ""
        self._journal: Journal | None = None
        self._due = 0.0
        self._damaged: set[Path] = set()
        self._sealed: queue.SimpleQueue[Journal | None] = queue.SimpleQueue()
        self._committer = threading.Thread(target=self._commit_loop, name="collector-commit", daemon=True)
        self._deliverer = threading.Thread(target=self._deliver_loop, name="collector-deliver", daemon=True)

    def start(self) -> None:
        """Begin to take records. Journals that earlier processes left are delivered beside them. Raises OSError."""
        self._spool.mkdir(parents=True, exist_ok=True)
        self._committer.start()
        self._deliverer.start()

    def submit(self, batch: Sequence[Entry]) -> None:
        """Take the records of several requests. Each waiter hears True once its records are durable, False if they
        are not; a waiter that belongs to a loop may be told at once, in the caller's thread."""
        size = sum(len(record) for records, _ in batch for record in records)
        with self._wake:
            taken = not self._closing and self._pending_bytes + size <= MAX_PENDING_BYTES
            if taken:
                self._pending += batch
                self._pending_bytes += size
                self._wake.notify()
        if not taken:
            settle([waiter for _, waiter in batch], False)

    def close(self) -> None:
        """Commit, deliver and stop. What cannot be delivered now stays in the spool for the next start."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._committer.join()
        self._sealed.put(None)
        self._deliverer.join()

    def health(self) -> dict[str, Any]:
        """The state of the stream and of the whole spool, other workers' journals included."""
        now_ms = time.time_ns() // 1_000_000
        size, oldest, journals = 0, now_ms, 0
        for path in journals_in(self._spool):
            with contextlib.suppress(FileNotFoundError):
                size += path.stat().st_size
                oldest = min(oldest, first_record_ms(path))
                journals += 1
        return {
            "status": "refusing" if self._refusing else "ok",
            **({"detail": self._refusing} if self._refusing else {}),
            "spool": {
                "journals": journals,
                "bytes": size,
                "oldest_undelivered_seconds": max(0.0, (now_ms - oldest) / 1000),
            },
        }

    # -- the commit's thread ---------------------------------------------------------------------------------------
    def _commit_loop(self) -> None:
        while True:
            with self._wake:
                while not self._pending and not self._closing and not self._is_due():
                    self._wake.wait(max(0.0, self._due - time.monotonic()) if self._journal else None)
                group, self._pending, self._pending_bytes = self._pending, [], 0
                closing = self._closing
            if group:
                self._commit(group)
            if self._journal is not None and (self._is_due() or self._journal.is_broken or closing):
                self._sealed.put(self._journal)
                self._journal = None
            if closing and not group:
                return

    def _is_due(self) -> bool:
        journal = self._journal
        return journal is not None and (journal.size >= self._rotate_bytes or time.monotonic() >= self._due)

    def _commit(self, group: list[Entry]) -> None:
        waiters = [waiter for _, waiter in group]
        try:
            if self._journal is None:
                self._journal = Journal.create(self._spool, time.time_ns() // 1_000_000)
                self._due = time.monotonic() + self._rotate_seconds
            self._journal.append(b"".join([record for records, _ in group for record in records]))
        except Exception as error:  # whatever it is: a thread that died here would leave every client waiting
            reason = f"the journal takes no record: {_reason(error)}"
            if not self._refusing:
                logger.error("%s; answering 503 until it does", reason)
            self._refusing = reason
            self._settle(waiters, False)
            return
        if self._refusing:
            self._refusing = ""
            logger.warning("the journal takes records again")
        self._settle(waiters, True)

    # -- the delivery's thread -------------------------------------------------------------------------------------
    def _deliver_loop(self) -> None:
        left: list[Journal] = []
        next_sweep = time.monotonic() + SWEEP_SECONDS
        while True:
            # By the clock and not when the queue is empty: under a flood of hits it never is.
            if time.monotonic() >= next_sweep:
                left = [journal for journal in left if not self._deliver(journal)]
                self._sweep()
                next_sweep = time.monotonic() + SWEEP_SECONDS
            try:
                journal = self._sealed.get(timeout=max(0.0, next_sweep - time.monotonic()))
            except queue.Empty:
                continue
            if journal is None:
                for undelivered in left:
                    self._deliver(undelivered)
                return
            if not self._deliver(journal):
                left.append(journal)

    def _deliver(self, journal: Journal) -> bool:
        """Deliver one of our own; False to try again later."""
        try:
            deliver(journal, self._archive)
            journal.remove()
        except DamagedJournal as error:
            self._skip(error)
            journal.close()
        except Exception as error:  # tried again; a thread that died here would fill the spool
            logger.error("%s is not delivered yet: %s", journal.path.name, _reason(error))
            return False
        return True

    def _sweep(self) -> None:
        """Deliver what a worker left that is gone."""
        try:
            drain(self._archive, self._spool, skip=self._damaged)
        except DamagedJournal as error:
            self._skip(error)
        except Exception as error:
            logger.error("an orphaned journal is not delivered yet: %s", _reason(error))

    def _skip(self, error: DamagedJournal) -> None:
        logger.error("%s", error)
        self._damaged.add(error.path)


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or f"{type(error).__name__}: {error}"
