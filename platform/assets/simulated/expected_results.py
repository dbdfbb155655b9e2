"""The check `expected_results`: whether simulated dates came out as the simulator says they must.

In: the truth files beside the archive, the marts, and the statistics (expected_statistics.py). Only tracking ids of simulated history
are compared, and only dates all of whose objects have been loaded: live hits on the same dates are nobody's truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingestion_platform.assets.partition_checks import PartitionCheck
from ingestion_platform.assets.simulated.expected_statistics import Statistics
from ingestion_platform.assets.volume import SeparateHits
from ingestion_platform.dates import ONE_DAY, Window, load_window, today
from ingestion_platform.resources.proposals import Reader
from ingestion_platform.settings import Settings
from simulations.config import DATES_AFTER, HISTORY_TRACKING_PREFIX
from simulations.truth import ExpectedDate, expected

Figures = dict[tuple[date, str], dict[str, Any]]

_LOGS_SQL = """
select event_date, tracking_id, count(*), count(case when is_session_start then 1 end), count(distinct client_id)
from events.logs
where event_date >= ? and event_date < ? and tracking_id like ?
group by event_date, tracking_id
"""

_PURCHASES_SQL = """
select event_date, tracking_id, currency_code, count(*), sum(transaction_revenue)
from events.purchases
where event_date >= ? and event_date < ? and tracking_id like ?
group by event_date, tracking_id, currency_code
"""

_SESSIONS_SQL = """
select event_date, tracking_id, sum(hits)
from events.sessions
where event_date >= ? and event_date < ? and tracking_id like ?
group by event_date, tracking_id
"""

_DUPLICATES_SQL = """
select event_date, tracking_id, count(*)
from events.duplicates
where event_date >= ? and event_date < ? and tracking_id like ?
group by event_date, tracking_id
"""

_ZERO: dict[str, Any] = {"hits": 0, "sessions": 0, "session_hits": 0, "clients": 0, "duplicates": 0, "purchases": 0}


class ExpectedResults:
    """The check, as `ingestion_platform.assets.checks.SimulatedHistory` wants it."""

    name = "expected_results"
    description = "Simulated dates hold exactly the figures that they must have."

    def results(self, reader: Reader, settings: Settings, window: Window) -> tuple[list[PartitionCheck], SeparateHits]:
        # A date some of whose objects are not loaded yet is left out.
        loaded_before = min(load_window(window).end, today() + ONE_DAY)
        compared = differences(reader, settings.truth_folder, window, loaded_before, settings.partitions_start)
        hits = SeparateHits(HISTORY_TRACKING_PREFIX, compared.keys())
        return [_result(day, compared.get(day)) for day in window.days], hits


def _result(day: date, lines: list[str] | None) -> PartitionCheck:
    if lines is None:
        return PartitionCheck(
            day, True, "Nothing to compare: not simulated, or not all of it has arrived.", {"compared": False}
        )
    description = lines[0] if lines else "The figures are the simulator's."
    return PartitionCheck(day, not lines, description, {"compared": True, "figures that differ": len(lines)})


def modelled_figures(reader: Reader, window: Window) -> Figures:
    """What the marts hold of simulated history, by event date and tracking id; revenue as {currency: amount}."""
    bounds = [*window, f"{HISTORY_TRACKING_PREFIX}%"]
    modelled: Figures = {}

    def figures(day: date, tracking_id: str) -> dict[str, Any]:
        return modelled.setdefault((day, tracking_id), {**_ZERO, "revenue": {}})

    for day, tracking_id, hits, sessions, clients in reader.query(_LOGS_SQL, bounds):
        figures(day, tracking_id).update(hits=hits, sessions=sessions, clients=clients)
    for day, tracking_id, hits in reader.query(_SESSIONS_SQL, bounds):
        figures(day, tracking_id)["session_hits"] = int(hits)
    for day, tracking_id, currency, purchases, revenue in reader.query(_PURCHASES_SQL, bounds):
        entry = figures(day, tracking_id)
        entry["purchases"] += purchases
        entry["revenue"][currency] = Decimal(revenue or 0)
    for day, tracking_id, duplicates in reader.query(_DUPLICATES_SQL, bounds):
        figures(day, tracking_id)["duplicates"] = duplicates
    return modelled


def differences(
    reader: Reader, folder: Path, window: Window, loaded_before: date, first: date
) -> dict[date, list[str]]:
    """The dates that could be compared, each with one line for every figure that differs.

    Visits that had begun before the `first` partition are not modelled whole: where there were any, the dates that they reach
    cannot be compared.
    """
    before = (
        expected(folder, first - timedelta(days=DATES_AFTER + 1), first).dates.values()
        if window.start <= first + timedelta(days=DATES_AFTER)
        else ()
    )
    reached = first + timedelta(days=DATES_AFTER + 1) if any(day.by_tracking_id for day in before) else first
    truth = [
        day
        for day in expected(folder, *window, loaded_before).dates.values()
        if day.complete and day.by_tracking_id and day.day >= reached
    ]
    if not truth:
        return {}
    modelled, statistics = modelled_figures(reader, window), Statistics(reader, window)
    return {day.day: [*_compare(day, modelled), *statistics.differences(day)] for day in truth}


def _compare(day: ExpectedDate, modelled: Figures) -> Iterator[str]:
    for tracking_id, figures in sorted(day.by_tracking_id.items()):
        wanted = {
            "hits": figures["hits"],
            "sessions": figures["sessions"],
            "clients": figures["clients"],
            "duplicates": figures["duplicate_deliveries"] + figures["client_retries"],
            "purchases": figures["purchases"],
            "revenue": {currency: Decimal(amount) for currency, amount in figures["revenue"].items()},
        }
        if "session_hits" in figures:
            wanted["session_hits"] = figures["session_hits"]
        made = modelled.get((day.day, tracking_id), {**_ZERO, "revenue": {}})
        for name, value in wanted.items():
            if made[name] != value:
                yield f"{day.day} {tracking_id}: {name} is {_shown(made[name])}, must be {_shown(value)}"


def _shown(value: Any) -> str:
    return (
        ", ".join(f"{amount:f} {currency}" for currency, amount in sorted(value.items()))
        if isinstance(value, dict)
        else f"{value}"
    )
