"""`replay --from D --to D`: rebuild a range of dates from the archive, as ordinary Dagster runs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from ingestion_platform.assets.builds import left_stale
from ingestion_platform.assets.manifest import Models
from ingestion_platform.automation.jobs import REPLAY
from ingestion_platform.beginning import first_partition
from ingestion_platform.commands.errors import CommandError
from ingestion_platform.commands.plan import in_words, planned
from ingestion_platform.commands.publication import say_what_is_held
from ingestion_platform.commands.runs import Work, console, execute
from ingestion_platform.dates import Window, chunks, listed, refuse_frozen, requested
from ingestion_platform.instance import open_instance
from ingestion_platform.resources import environments
from ingestion_platform.resources.dbt_project import read_manifest
from ingestion_platform.settings import Settings


def replay(settings: Settings, first: str, last: str, remove: Sequence[str] = ()) -> None:
    """Rebuild the dates from `first` to `last`, both included; at most `partitions_per_run` of them in a run. Rows of the objects `remove`,
    gone from the archive on purpose, are removed."""
    demand_dates("replay", first, last)
    window = requested(first, last, settings.partitions_start)
    refuse_frozen(window, settings.archive_retention_days)
    out = console()
    with open_instance(settings) as instance:
        made = planned(settings, instance, window)
        out.print(in_words(made), soft_wrap=True)
        held = execute(instance, replay_work(settings, window, remove), out)
    out.print(f"[green]Replayed {window}.[/] Statistics: {settings.published_dir}", soft_wrap=True)
    if held:
        say_what_is_held(settings, out, held)
    say_what_is_empty(settings, window, out)
    say_what_is_stale(settings, window, out)


def demand_dates(command: str, first: str, last: str) -> None:
    """Raise CommandError, which names what is missing, unless both dates were given."""
    absent = " and ".join(name for name, text in (("FROM", first), ("TO", last)) if not text)
    if absent:
        raise CommandError(
            f"{absent} not given: make {command} FROM=2026-01-01 TO=2026-01-07 (dates in UTC, both included)"
        )


def say_what_is_empty(settings: Settings, window: Window, out: Console) -> None:
    """Name the dates of `window` without a hit: replaying them was no failure, but the user may have meant others."""
    rows = environments.warehouse(settings).row_counts("events.logs", window.start, window.end)
    empty = [day for day in window.days if not rows[day]]
    if empty:
        dates = ", ".join(f"{day}" for day in empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        out.print(
            f"[yellow]No hit on {dates}:[/] the archive holds none of {'that date' if len(empty) == 1 else 'those dates'} "
            "(make doctor says which dates it holds).",
            soft_wrap=True,
        )


def say_what_is_stale(settings: Settings, window: Window, out: Console) -> None:
    """Name the dates outside of `window` that lack something which was loaded: a replay writes only the dates that it was given."""
    models = Models.of(read_manifest(adapter=environments.ADAPTERS[settings.environment]))
    stale = left_stale(environments.warehouse(settings), models, settings.partitions_start, window)
    if stale:
        out.print(
            f"[yellow]Stale now: {listed(stale)}[/] (loaded hits reach into {'it' if len(stale) == 1 else 'them'}). The hourly refresh "
            f"of make dev rebuilds exactly that, and so does make replay FROM={stale[0]} TO={stale[-1]}",
            soft_wrap=True,
        )


def replay_work(settings: Settings, window: Window, remove: Sequence[str] = ()) -> list[Work]:
    """The runs that replay `window`, oldest first; none of dates before the data begin, which Dagster does not show."""
    known = Window(max(window.start, first_partition(settings)), window.end)
    config = {"ops": {"raw__logs": {"config": {"remove_objects": list(remove)}}}} if remove else {}
    return [Work(REPLAY, part, f"Replay {part}", config=config) for part in chunks(known, settings.partitions_per_run)]
