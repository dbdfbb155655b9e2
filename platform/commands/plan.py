"""`plan --from D --to D`: what a replay of these dates would do, and how long it takes, before it does it."""

from __future__ import annotations

from itertools import groupby

from dagster import DagsterInstance
from rich.console import Console
from rich.table import Table

from ingestion_platform.assets.manifest import Models
from ingestion_platform.commands.errors import CommandError
from ingestion_platform.dates import ONE_DAY, Window, refuse_frozen, requested
from ingestion_platform.instance import open_instance
from ingestion_platform.plan import Plan, plan
from ingestion_platform.resources import environments
from ingestion_platform.resources.dbt_project import read_manifest
from ingestion_platform.settings import Settings


def show_plan(settings: Settings, first: str, last: str) -> None:
    """Print what a replay of the dates from `first` to `last`, both included, would do; nothing is changed."""
    if not (first and last):
        raise CommandError(
            "FROM or TO not given: make plan FROM=2026-01-01 TO=2026-01-07 (dates in UTC, both included)"
        )
    window = requested(first, last, settings.partitions_start)
    refuse_frozen(window, settings.archive_retention_days)
    with open_instance(settings) as instance:
        made = planned(settings, instance, window)
    out = Console(highlight=False, soft_wrap=True)
    out.print(table(made))
    out.print(in_words(made))
    out.print(f"Nothing was changed. To do it: make replay FROM={window.start} TO={window.end - ONE_DAY}")


def planned(settings: Settings, instance: DagsterInstance, window: Window) -> Plan:
    """The plan of `window`, of the settings' archive and warehouse."""
    models = Models.of(read_manifest(adapter=environments.ADAPTERS[settings.environment]))
    return plan(settings, instance, environments.archive(settings), environments.warehouse(settings), models, window)


def table(made: Plan) -> Table:
    """A line for dates in a row that have the same reason."""
    grid = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name, justify in (("dates", "left"), ("why", "left"), ("objects to load", "right"), ("hits", "right")):
        grid.add_column(name, justify=justify)  # type: ignore[arg-type]
    for reasons, dates in groupby(made.dates, lambda of_date: of_date.reasons):
        group = list(dates)
        grid.add_row(
            f"{Window(group[0].day, group[-1].day + ONE_DAY)}",
            "; ".join(reasons) or "[dim]nothing new: the same rows again[/]",
            f"{sum(of_date.objects for of_date in group):,}",
            f"{sum(of_date.hits for of_date in group):,}",
        )
    return grid


def in_words(made: Plan) -> str:
    """The plan as a sentence."""
    runs = "1 run" if made.runs == 1 else f"{made.runs} runs"
    seconds = (
        "seconds unknown: no replay has been measured here yet"
        if made.seconds is None
        else f"about {made.seconds:,.0f} s"
    )
    read = f" ({made.bytes_read / 1e9:,.2f} GB of RAW.LOGS to read, margins included)" if made.bytes_read else ""
    return (
        f"{'1 date' if len(made.dates) == 1 else f'{len(made.dates)} dates'} in {runs}: {made.objects:,} objects ({made.bytes / 1e6:,.1f} MB) to load, about {made.hits:,} hits "
        f"to model{read}; {seconds}."
    )
