"""Past dates, written straight into the archive as if they had been collected then.

Comes in: a date and a `TrafficConfig`. Goes out: gzip objects under the keys of the collector's own layout, and the
truth about them beside the archive. The same date always gives the same bytes under the same keys, so writing it again
changes nothing. Objects appear atomically; one that is there already with the same bytes is left alone.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from isal import isal_zlib

from collector.archive_keys import object_key
from simulations.config import STREAM, TrafficConfig
from simulations.expectation import arrivals, figures
from simulations.faults import Delivery, deliveries
from simulations.generate import plan_day
from simulations.lines import Lines
from simulations.truth import begin, finish

# Stores an object: put(key, bytes). Storing the same again has to be harmless, as it is with S3.
Put = Callable[[str, bytes], None]

_OBJECT_IDS = uuid.UUID("5f0cb2ae-9a0f-4a55-8d4b-3a8a2f3c7e11")


@dataclass(frozen=True)
class DayReport:
    """What writing a date came to; `arrival_dates` are those under which objects lie."""

    day: date
    objects: int
    lines: int
    bytes: int
    arrival_dates: tuple[date, ...]


def write_day(
    target: Path | Put, day: date, config: TrafficConfig | None = None, truth_folder: Path | None = None
) -> DayReport:
    """Write the archive objects and the truth of the visits that begin on `day` (UTC).

    `target` is the archive's folder or a function that stores an object. The truth goes to `truth_folder`, by default
    `truth` beside an archive's folder. Raises `truth.TruthError` where the date is there from another configuration.
    """
    config = config or TrafficConfig()
    if isinstance(target, Path):
        truth_folder = truth_folder or target.parent / "truth"
        put = folder_put(target)
    else:
        put = target
    if truth_folder is None:
        raise ValueError("write_day needs a truth_folder when its target is a function")
    begin(truth_folder, day, config.as_dict())

    plan = plan_day(day, config)
    delivered = deliveries(plan)
    lines = Lines(plan)
    stored = 0
    for delivery in delivered:
        data = compress(lines.of(delivery))
        put(_key(day, config.seed, delivery), data)
        stored += len(data)
    books = arrivals(delivered)
    content = {"day": day.isoformat(), "config": config.as_dict(), "dates": figures(plan, delivered), "arrivals": books}
    finish(truth_folder, day, content)
    return DayReport(
        day,
        len(delivered),
        sum(len(delivery.rows) for delivery in delivered),
        stored,
        tuple(date.fromisoformat(text) for text in books),
    )


def compress(lines: bytes) -> bytes:
    """Lines as a gzip object whose bytes depend on nothing else: no name, no time of writing."""
    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 16 + isal_zlib.MAX_WBITS)
    return packer.compress(lines) + packer.flush()


def _key(day: date, seed: int, delivery: Delivery) -> str:
    arrived_at = datetime.fromtimestamp(delivery.arrives / 1000, UTC)
    return object_key(STREAM, arrived_at, str(uuid.uuid5(_OBJECT_IDS, f"{seed}/{day.isoformat()}/{delivery.number}")))


def folder_put(root: Path) -> Put:
    """Store objects as files under `root`, atomically: a temporary name, fsync, rename, fsync of the folder."""

    def put(key: str, data: bytes) -> None:
        path = root / key
        if path.exists() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)

    return put


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
