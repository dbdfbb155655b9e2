"""`recollect --from D --to D`: judge archived records again by today's rules of the collector, and append corrections where they differ."""

from __future__ import annotations

from collections.abc import Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ingestion_platform.commands.errors import CommandError
from ingestion_platform.commands.replay import demand_dates
from ingestion_platform.commands.runs import console
from ingestion_platform.dates import requested
from ingestion_platform.recollection import Wanted, recollect
from ingestion_platform.resources import environments
from ingestion_platform.settings import Settings, rules_of_the_collector


def recollect_dates(
    settings: Settings, first: str, last: str, reasons: Sequence[str], protocols: Sequence[str], dry: bool
) -> None:
    """Do it for the arrival dates from `first` to `last`, both included, and say what came of it."""
    demand_dates("recollect", first, last)
    window = requested(first, last, settings.partitions_start)
    out = console()
    bar = Progress(
        TextColumn(f"Recollect {window}"), BarColumn(), MofNCompleteColumn(), TextColumn("objects"), TimeElapsedColumn(),
        console=out,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=None)
        made = recollect(
            environments.archive(settings),
            rules_of_the_collector(),
            window,
            Wanted(reasons, protocols),
            dry=dry,
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    for kind, records in sorted(made.counts.items()):
        out.print(f"{records:>12,}  {kind}")
    if not made.corrected:
        out.print("[green]Nothing differs:[/] no correction was written.")
    elif dry:
        out.print(f"{made.corrected:,} corrections would be written; DRY= writes them.")
    else:
        out.print(
            f"[green]{made.corrected:,} corrections[/] in {len(made.objects)} objects under {made.objects[0].rpartition('/')[0]}/. "
            "The hourly refresh of make dev rebuilds what they touch.",
            soft_wrap=True,
        )
    if made.unreadable:
        raise CommandError(f"{len(made.unreadable)} objects were passed over, the first because {made.unreadable[0]}")
