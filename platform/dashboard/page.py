"""The dashboard's page: figures, charts and what was published or is held, in one file that needs no network and nothing beside it.

Vega and its Lite come once, as vl-convert bundles them, and so do the rows. The page's policy lets no other script run, evaluates none and
loads nothing, so that no value that a client sent can do either.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ingestion_platform.changes import in_words
from ingestion_platform.dashboard.charts import CHARTS, TILES, Chart
from ingestion_platform.dashboard.drawing import AS_HIGH_AS_ITS_ROWS, CONFIG, ROW_HEIGHT
from ingestion_platform.dashboard.figures import BOUNDS, HOURS_OF, STATES, Table
from ingestion_platform.dashboard.shared import shared
from ingestion_platform.dates import ONE_DAY, Window, listed
from ingestion_platform.resources.proposals import AuditState, HeldAudit, Publication

HTML = Path(__file__).parent / "html"
_ALL = "(all)"


class Script(NamedTuple):
    """A script and the digest by which the page's policy knows it."""

    text: Any
    digest: str


class Tab(NamedTuple):
    """One of the page's pages; `waiting` is how much wants to be looked at."""

    name: str
    title: str
    waiting: int = 0


class Audit(NamedTuple):
    """What the page says of an audit."""

    name: str
    created_at: datetime
    states: Sequence[tuple[str, str]]
    lines: Sequence[str]
    waits: bool
    report: str


@dataclass(frozen=True)
class Contents:
    """What the page is made of."""

    window: Window | None
    tables: Mapping[str, Table]
    stale: Sequence[date]
    publications: Sequence[Publication]
    audits: Sequence[HeldAudit]

    @property
    def held(self) -> set[date]:
        return {day for audit in self.audits for day in audit.dates()}


def html(contents: Contents, made_of: str, folder: Path, reports: Path) -> str:
    """The page, for a file in `folder`; `made_of` is noted in it. Audits whose page is in `reports` lead there."""
    # Imported on use: only who writes the page needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    templates = Environment(
        loader=FileSystemLoader(HTML), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    audits = [_audit(audit, folder, reports) for audit in contents.audits]
    tabs = [
        Tab("business", "Business"),
        Tab("quality", "Data quality", len({*contents.stale})),
        Tab("publications", "Publications", sum(audit.waits for audit in audits)),
    ]
    return templates.get_template("dashboard.html").render(
        window=contents.window,
        pages=tabs,
        tiles=TILES,
        charts=CHARTS,
        publications=contents.publications,
        audits=audits,
        hours_of=HOURS_OF,
        bounds=BOUNDS,
        made_of=made_of,
        data=Markup(_data(contents, tabs)),
        scripts=[_vega(), _script((HTML / "dashboard.js").read_text(encoding="utf-8"))],
    )


def _data(contents: Contents, tabs: Sequence[Tab]) -> str:
    """JSON that can stand in a page: no text of it ends the element that it stands in."""
    window, tables = contents.window, contents.tables
    properties = tables["traffic"].texts["tracking_id"]
    first, last = (window.start, window.end - ONE_DAY) if window is not None else ("", "")
    hours = max(window.start, window.end - timedelta(days=HOURS_OF)) if window is not None else ""
    data = {
        "pages": [tab.name for tab in tabs],
        "charts": [_chart(chart) for chart in CHARTS],
        "tiles": [asdict(tile) for tile in TILES],
        "config": CONFIG,
        "tables": {
            name: {"columns": table.columns, "texts": table.texts}
            for name, table in {**tables, "states": _states(contents)}.items()
        },
        "properties": [_ALL, *(name for name in properties if name != _ALL)],
        "currencies": _currencies(tables["money"]),
        "dates": len(window.days) if window is not None else 0,
        "first": f"{first}",
        "firstHours": f"{hours}",
        "last": f"{last}",
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _chart(chart: Chart) -> dict[str, Any]:
    """What the script needs to know of a chart."""
    return {
        **asdict(chart),
        "drawn": chart.drawn or tuple(chart.measures),
        "step": ROW_HEIGHT if chart.form in AS_HIGH_AS_ITS_ROWS else 0,
        "specification": shared().specifications[chart.name],
    }


def _states(contents: Contents) -> Table:
    """How each date stands. Of what is held, the held build is what a person looks at first."""
    days = contents.window.days if contents.window is not None else []
    traffic = contents.tables["traffic"]
    published = {traffic.texts["period"][number] for number in traffic.columns["period"]}  # type: ignore[index]
    arrived = contents.tables["arrivals"].texts["period"]
    rows = []
    for day in days:
        if day in contents.held:
            rows.append((day, "held for a person", 1))
        elif day in {*contents.stale}:
            rows.append((day, "stale", 1))
        elif f"{day}" in published:
            rows.append((day, "up to date", 1))
        elif f"{day}" in arrived:
            rows.append((day, "not built", 1))
    return Table.of(STATES, rows)


def _currencies(money: Table) -> list[str]:
    """Those with most orders first."""
    orders: Counter[str] = Counter()
    for tracking_id, currency, count in zip(
        *(money.columns[name] for name in ("tracking_id", "currency", "orders")), strict=True
    ):
        if money.texts["tracking_id"][tracking_id] == _ALL:
            orders[money.texts["currency"][currency]] += count
    return [currency for currency, _ in orders.most_common()]


def _audit(audit: HeldAudit, folder: Path, reports: Path) -> Audit:
    waiting = {*audit.dates()}
    of_states = [(f"{state}", listed(audit.dates(state))) for state in AuditState if audit.dates(state)]
    changes = [change for change in audit.changes if not waiting or change.cell.day in waiting]
    lines = [line for line in in_words(changes) if not line.startswith("Unchanged")]
    report = reports / f"{audit.audit_id}.html"
    link = Path(os.path.relpath(report, folder)).as_posix() if report.exists() else ""
    return Audit(audit.audit_id, audit.created_at, of_states, lines, bool(waiting), link)


@cache
def _vega() -> Script:
    return _script(shared().script)


def _script(text: str) -> Script:
    from markupsafe import Markup

    return Script(Markup(text), base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
