"""`PUBLISHED_DIR/dashboard.html`: written anew when it is not what the newest publication, audit and code would make.

Every run that publishes, holds or discards something ends with `renew`, and `make dashboard` begins with it. The page notes what it was
made of, so that whoever comes second has nothing to do; a lock lets one write at a time, and the one that writes last has read last.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from collector.durable import make_folder, staged
from ingestion_platform.dashboard.figures import figures
from ingestion_platform.dashboard.page import Contents, html
from ingestion_platform.dates import ONE_DAY, today
from ingestion_platform.resources.proposals import HeldAudit, Publication
from ingestion_platform.resources.warehouse import LEDGER, Warehouse
from ingestion_platform.settings import Settings

_PUBLICATIONS, _AUDITS = 50, 20
_HEAD_BYTES = 4096


class Renewed(NamedTuple):
    """A page that was written."""

    path: Path
    made_of: str
    bytes: int
    seconds: float


def page_of(settings: Settings) -> Path:
    """Where the page is."""
    return settings.published_dir / "dashboard.html"


def renew(warehouse: Warehouse, settings: Settings, models: list[str], *, always: bool = False) -> Renewed | None:
    """Write the page where it is behind, or `always`; None where it is not. `models` are those by which a date is stale."""
    path = page_of(settings)
    began = time.monotonic()
    make_folder(path.parent)
    with _alone(path):
        publications, audits = _ledger(warehouse)
        made_of = _digest(publications, audits)
        if not always and _noted(path) == made_of:
            return None
        # After the ledger: a publication between the two is then in the figures and not in the note, and is not passed over.
        with warehouse.reading():
            window, tables = figures(warehouse)
            first = settings.partitions_start
            stale = warehouse.stale_dates(models, first, today() + ONE_DAY, first) if window is not None else []
        contents = Contents(window, tables, stale, publications, audits)
        written = html(contents, made_of, path.parent, settings.reports_folder).encode()
        with staged(path) as file:
            file.write(written)
            file.appear()
    return Renewed(path, made_of, len(written), round(time.monotonic() - began, 2))


def _ledger(warehouse: Warehouse) -> tuple[list[Publication], list[HeldAudit]]:
    with warehouse.reading():
        if LEDGER not in warehouse.relations():
            return [], []
        # One of views alone changes no figure.
        shown = [known for known in warehouse.publications(_PUBLICATIONS) if known.window is not None]
        return shown, warehouse.audits(_AUDITS)


def _digest(publications: list[Publication], audits: list[HeldAudit]) -> str:
    """What a page of these and of today's code notes."""
    known = (
        [known.number for known in publications[:1]],
        [(audit.audit_id, [*audit.states.items()]) for audit in audits],
    )
    return hashlib.sha256(f"{_code()} {known}".encode()).hexdigest()[:16]


@cache
def _code() -> str:
    """Of what makes the page."""
    files = sorted(
        path for path in Path(__file__).parent.rglob("*.*") if path.suffix in (".py", ".sql", ".html", ".css", ".js")
    )
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _noted(path: Path) -> str:
    """What a page says that it was made of; empty where there is none."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).decode(errors="replace")
    except OSError:
        return ""
    found = re.search(r'<meta name="made-of" content="(\w+)">', head)
    return found[1] if found else ""


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
