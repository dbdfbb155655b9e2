"""`upgrade`: from the native warehouse of version 0.1 to the lake. The old file is kept aside, and everything is rebuilt from the archive.

What is left to do stands in `upgrade.json` in DATA_DIR until it is done: whoever was stopped in the middle runs the same again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console

from collector.durable import staged
from ingestion_platform.commands.errors import CommandError
from ingestion_platform.commands.locks import UPGRADE, only_one, refuse_if_used
from ingestion_platform.commands.replay import replay_work
from ingestion_platform.commands.runs import RunFailed, Work, console, execute
from ingestion_platform.dates import ARRIVAL_MARGIN, ONE_DAY, Window, chunks, frozen_before, listed, today
from ingestion_platform.instance import open_instance
from ingestion_platform.resources import environments
from ingestion_platform.resources.duckdb.native import is_native, loaded_objects, refuse_native
from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
from ingestion_platform.resources.guard import blocking_failure, missing_from, vanished
from ingestion_platform.settings import Settings


def upgrade(settings: Settings, remove: Sequence[str] = ()) -> None:
    """Rebuild a DATA_DIR of version 0.1. Rows of the objects `remove`, gone from the archive on purpose, are not missed."""
    if not (_is_native(settings) or _note(settings).exists()):
        print(f"{settings.data_dir} needs no upgrade.")
        return
    out = console()
    refuse_if_used(settings)
    with only_one(settings, UPGRADE):
        if _is_native(settings):
            _begin(settings, remove, out)
        _rebuild(settings, out)
    out.print(
        f"[green]Upgraded:[/] everything is rebuilt from the archive. The warehouse of version 0.1 is {_kept(settings)}: "
        "nothing reads it any more.",
        soft_wrap=True,
    )


def refuse_old_warehouse(settings: Settings) -> None:
    """Raise an error of one line where a command would meet the warehouse of version 0.1, or its upgrade, before it begins with anything."""
    refuse_if_used(settings, [UPGRADE])
    warehouse = environments.warehouse(settings)
    if isinstance(warehouse, DuckDBWarehouse):
        refuse_native(warehouse.path, warehouse.lake)


def _begin(settings: Settings, remove: Collection[str], out: Console) -> None:
    """Make sure that the archive has what the old warehouse holds, note what is to be done, and put the file aside."""
    old, kept = settings.warehouse_file, _kept(settings)
    if kept.exists():
        raise CommandError(f"{kept} is there already; nothing was changed: move it elsewhere and run the same again")
    archive = environments.archive(settings)
    archive_id, held = loaded_objects(old)
    if refused := blocking_failure(archive, archive_id, bool(held)):
        raise CommandError(f"nothing was changed: {refused}")
    dates = archive.dates()
    kept_from = max(frozen_before(settings.archive_retention_days), settings.partitions_start)
    archived = archive.objects(kept_from, dates[-1] + ONE_DAY) if dates else []
    lost = missing_from(archived, [item for item in held if item.arrival_date >= kept_from], remove)
    if lost:
        others = f" (and of {len(lost) - 1} dates more)" if len(lost) > 1 else ""
        raise CommandError(
            f"{vanished(lost[min(lost)])}{others}; nothing was changed (make upgrade REMOVE=key names it)"
        )
    first, last = (
        (max(kept_from, dates[0] - timedelta(days=ARRIVAL_MARGIN)), dates[-1]) if dates else (today(), today())
    )
    window = Window(first, min(last, today()) + ONE_DAY)
    _write(settings, chunks(window, settings.partitions_per_run))
    # The log first: left behind, it would be taken for that of the file which gets this name next.
    for suffix in (".wal", ""):
        if (part := old.with_name(f"{old.name}{suffix}")).exists():
            part.rename(kept.with_name(f"{kept.name}{suffix}"))
    out.print(f"The warehouse of version 0.1 is kept as {kept}.", soft_wrap=True)
    if frozen := {
        item.arrival_date for item in held if item.arrival_date < frozen_before(settings.archive_retention_days)
    }:
        out.print(
            f"[yellow]Only there: {listed(frozen)}[/], which the archive need not hold any more.",
            soft_wrap=True,
        )


def _rebuild(settings: Settings, out: Console) -> None:
    """Replay what is noted, oldest first; a refresh then does what follows from it, and the live views, which no date has."""
    refresh = Work("hourly_refresh", None, "Refresh")
    left = [part for window in _left(settings) for part in chunks(window, settings.partitions_per_run)]
    replays, failed = [work for window in left for work in replay_work(settings, window)], []
    with open_instance(settings) as instance:
        for work in [*replays, refresh]:
            try:
                execute(instance, [work], out)
            except RunFailed as error:
                failed.append(f"{error}")
                continue
            left = [dates for dates in left if dates != work.dates]
            _write(settings, left)
    if failed:
        raise CommandError(
            f"{len(failed)} of {len(replays) + 1} runs failed, the others are done; make upgrade goes on with what is left: "
            f"{failed[0]}"
        )
    _note(settings).unlink()


def _is_native(settings: Settings) -> bool:
    warehouse = environments.warehouse(settings)
    return isinstance(warehouse, DuckDBWarehouse) and is_native(warehouse.path, warehouse.lake)


def _kept(settings: Settings) -> Path:
    return settings.warehouse_file.with_name("warehouse-0.1.duckdb")


def _note(settings: Settings) -> Path:
    return settings.data_dir / "upgrade.json"


def _left(settings: Settings) -> list[Window]:
    return [Window(*map(date.fromisoformat, bounds)) for bounds in json.loads(_note(settings).read_text())["left"]]


def _write(settings: Settings, left: Sequence[Window]) -> None:
    bounds = [[f"{window.start}", f"{window.end}"] for window in left]
    with staged(_note(settings)) as file:
        file.write(json.dumps({"left": bounds}).encode())
        file.appear()
