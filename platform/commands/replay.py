"""`replay --from D --to D`: rebuild a range of dates from the archive, as ordinary Dagster runs."""

from __future__ import annotations

from ingestion_platform.automation.jobs import REPLAY
from ingestion_platform.commands.runs import Work, console, execute
from ingestion_platform.instance import open_instance
from ingestion_platform.partitions import Window, chunks, requested
from ingestion_platform.settings import Settings


def replay(settings: Settings, first: str, last: str) -> None:
    """Rebuild the dates from `first` to `last`, both included; at most `partitions_per_run` of them in a run."""
    chosen = requested(first, last, settings.partitions_start)
    out = console()
    with open_instance(settings) as instance:
        execute(instance, replay_work(settings, chosen), out)
    out.print(f"[green]Replayed {chosen}.[/] Statistics: {settings.published_dir}")


def replay_work(settings: Settings, chosen: Window) -> list[Work]:
    """The runs that replay `chosen`, oldest first."""
    return [Work(REPLAY, part, f"Replay {part}") for part in chunks(chosen, settings.partitions_per_run)]
