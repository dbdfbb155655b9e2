"""`status`: one screen that says how every date stands. Exits with 1 when something is wrong; what only waits is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingestion_platform.commands.publication import say_what_is_held
from ingestion_platform.dates import listed
from ingestion_platform.resources import environments
from ingestion_platform.settings import Settings
from ingestion_platform.status import DateStatus, said, status

_SHOWN = 14
_PUBLICATIONS = 5
_NUMBERS = ("objects", "lines", "hits", "copies", "no hits")
_COLUMNS = ("date", *_NUMBERS, "loaded", "built", "published", "")


def show_status(settings: Settings, shown: int = _SHOWN) -> int:
    """Print the newest `shown` dates that have anything, and what waits or is wrong on any; 0 when nothing is wrong."""
    # Imported on use: the code location takes seconds, and a setting that cannot be used is said before.
    from ingestion_platform.assets.change_checks import CHECK
    from ingestion_platform.dagster_internals.failed_checks import failed_checks
    from ingestion_platform.definitions import definitions
    from ingestion_platform.instance import open_instance

    checks = definitions(settings).resolve_asset_graph().asset_check_keys
    with open_instance(settings) as instance:
        # What is held is said apart, once and not by model.
        failed = [check for check in failed_checks(instance, checks) if check.check.name != CHECK]
    dates = status(settings, failed)
    out = Console(highlight=False, soft_wrap=True)
    if not out.is_terminal:
        out.width = 120
    if not dates:
        out.print("Nothing here yet: make demo, make collect or make simulate fill the archive.")
        return 0
    out.print(table(dates[-shown:]))
    before = f" Not shown: {len(dates) - shown} dates from {dates[0].day} on." if len(dates) > shown else ""
    out.print(
        "[dim]Objects and lines by arrival; hits, copies (duplicates and retries, left out) and no hits (quarantine) by event; UTC. "
        f"… is behind, – not there.{before}[/]\n"
    )
    everywhere = [check for check in failed if check.partition is None]
    problems = [said(check) for check in everywhere if not check.is_warning]
    problems += _by_line((of_date.day, line) for of_date in dates for line in of_date.wrong)
    warnings = [said(check) for check in everywhere if check.is_warning]
    warnings += _by_line((of_date.day, line) for of_date in dates for line in of_date.warnings)
    for line in problems:
        out.print(f"[red]wrong[/]    {escape(line)}")
    for line in warnings:
        out.print(f"[yellow]warning[/]  {escape(line)}")
    waiting = [
        of_date.day
        for of_date in dates
        if (of_date.is_waiting or of_date.is_stale) and not of_date.wrong and not of_date.audit
    ]
    if waiting:
        out.print(
            f"[yellow]waits[/]    {listed(waiting)}: the hourly refresh of make dev brings it up to date, and so does "
            f"make replay FROM={waiting[0]} TO={waiting[-1]}"
        )
    elif not problems and not any(of_date.audit for of_date in dates):
        out.print("[green]ok[/]       Everything in the archive is loaded, built, checked and published.")
    _say_what_was_published(settings, out)
    return 1 if problems else 0


def _say_what_was_published(settings: Settings, out: Console) -> None:
    """What waits for a person, and the newest publications with their numbers."""
    if not settings.may_have_warehouse:
        return
    say_what_is_held(settings, out)
    publications = [known for known in environments.warehouse(settings).publications() if known.window is not None]
    if publications:
        out.print("\n[dim]The newest publications (make rollback PUBLICATION=number takes one back):[/]")
    for known in publications[:_PUBLICATIONS]:
        about = f" {known.about}" if known.about else ""
        models = ", ".join(known.models[:4]) + (f" and {len(known.models) - 4} more" if len(known.models) > 4 else "")
        out.print(
            f"  {known.number:>4}  {known.published_at:%Y-%m-%d %H:%M}  {known.kind}{about}: {models} of {known.window}"
        )


def table(dates: Sequence[DateStatus]) -> Table:
    """A line a date, with a word for how it stands."""
    grid = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        grid.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    for of_date in dates:
        grid.add_row(
            f"{of_date.day}",
            *(
                f"{n:,}"
                for n in (of_date.objects, of_date.lines, of_date.hits, of_date.duplicates, of_date.quarantined)
            ),
            _mark(not of_date.is_waiting and of_date.lines + of_date.objects > 0, of_date.is_waiting),
            _mark(of_date.is_built and not of_date.is_stale, of_date.is_stale),
            _mark(of_date.is_published and not of_date.is_stale, of_date.is_published),
            _word(of_date),
        )
    return grid


def _mark(is_done: bool, is_behind: bool) -> str:
    return "[green]✓[/]" if is_done else "[yellow]…[/]" if is_behind else "[dim]–[/]"


def _word(of_date: DateStatus) -> str:
    if of_date.wrong:
        return "[red]wrong[/]"
    if of_date.audit:
        return "[yellow]held[/]"
    if of_date.warnings:
        return "[yellow]warning[/]"
    if of_date.is_waiting or of_date.is_stale:
        return "[yellow]waits[/]"
    return "[dim]frozen[/]" if of_date.is_frozen else "[green]ok[/]"


def _by_line(lines: Iterable[tuple[date, str]]) -> list[str]:
    """Each line once, with the dates on which it is said."""
    days: dict[str, list[date]] = defaultdict(list)
    for day, line in lines:
        days[line].append(day)
    return [f"{listed(of_line)}  {line}" for line, of_line in days.items()]
