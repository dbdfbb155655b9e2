"""Past dates, written straight into the archive as if they had been collected then.

Comes in: a date and a `TrafficConfig`. Goes out: gzip objects under the keys of the collector's own layout, and the
truth about them beside the archive. The same date always gives the same bytes under the same keys, so writing it again
changes nothing. Objects appear atomically; one that is there already with the same bytes is left alone.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime
from multiprocessing import get_context
from pathlib import Path

from isal import isal_zlib

from collector.archive_keys import object_key
from simulations.config import STREAM, TrafficConfig
from simulations.expectation import arrivals, figures
from simulations.faults import Delivery, deliveries
from simulations.folder import FolderWriter
from simulations.generate import plan_day
from simulations.lines import Lines
from simulations.plan import DayPlan
from simulations.truth import begin, finish

# Stores an object: put(key, bytes). Storing the same again has to be harmless, as it is with S3.
Put = Callable[[str, bytes], None]

_OBJECT_IDS = uuid.UUID("5f0cb2ae-9a0f-4a55-8d4b-3a8a2f3c7e11")


@dataclass(frozen=True)
class DayReport:
    """What writing a date came to."""

    day: date
    objects: int
    lines: int
    bytes: int


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
    elif truth_folder is None:
        raise ValueError("write_day needs a truth_folder when its target is a function")
    begin(truth_folder, day, config.as_dict())
    plan = plan_day(day, config)
    delivered = deliveries(plan)
    if isinstance(target, Path):
        with FolderWriter(target) as writer:
            size = _store(plan, delivered, writer.put)
    else:
        size = _store(plan, delivered, target)
    books = arrivals(delivered)
    content = {"day": day.isoformat(), "config": config.as_dict(), "dates": figures(plan, delivered), "arrivals": books}
    finish(truth_folder, day, content)
    lines = sum(len(delivery.rows) for delivery in delivered)
    return DayReport(day, len(delivered), lines, size)


def _store(plan: DayPlan, delivered: list[Delivery], put: Put) -> int:
    """Render, compress and store all objects of a date; gives their size in bytes."""
    lines = Lines(plan)
    size = 0
    for delivery in delivered:
        data = compress(lines.of(delivery))
        put(_key(plan, delivery), data)
        size += len(data)
    return size


def write_history(
    archive: Path, days: Sequence[date], config: TrafficConfig | None = None, processes: int | None = None
) -> Iterator[DayReport]:
    """Write many dates into an archive's folder, side by side in `processes` (one a core); yields a report as each date
    is done, in no fixed order. Raises what `write_day` raises; dates that are done by then stay."""
    workers = min(processes or os.cpu_count() or 1, len(days))
    if workers <= 1:
        for day in days:
            yield write_day(archive, day, config)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        written = [pool.submit(write_day, archive, day, config) for day in days]
        try:
            for future in as_completed(written):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def compress(lines: bytes) -> bytes:
    """Lines as a gzip object whose bytes depend on nothing else: no name, no time of writing."""
    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 16 + isal_zlib.MAX_WBITS)
    return packer.compress(lines) + packer.flush()


def _key(plan: DayPlan, delivery: Delivery) -> str:
    arrived_at = datetime.fromtimestamp(delivery.arrives / 1000, UTC)
    name = f"{plan.config.seed}/{plan.day.isoformat()}/{delivery.number}"
    return object_key(STREAM, arrived_at, str(uuid.uuid5(_OBJECT_IDS, name)))
