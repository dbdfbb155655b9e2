"""`doctor`: one line a part of the platform, each "ok" or what to do. Exits with 1 when something needs doing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from rich.console import Console

from collector.archive_keys import parse_key
from collector.errors import ExpectedError
from ingestion_platform.commands.dev import HOST, port_is_free
from ingestion_platform.dates import ONE_DAY, frozen_before, today
from ingestion_platform.resources import environments
from ingestion_platform.resources.dbt_project import read_manifest
from ingestion_platform.settings import Environment, Settings, credentials
from simulations.config import STREAM

# What each environment's clients read from the environment; a list in a list means "one of these".
CREDENTIALS: Mapping[Environment, tuple[tuple[str, ...], ...]] = {
    Environment.LOCAL: (),
    Environment.EMULATED: (("SNOWFLAKE_PORT",),),
    Environment.PRODUCTION: (
        ("SNOWFLAKE_ACCOUNT",),
        ("SNOWFLAKE_USER",),
        ("SNOWFLAKE_PRIVATE_KEY",),
        ("SNOWFLAKE_ROLE",),
        ("SNOWFLAKE_WAREHOUSE",),
        ("SNOWFLAKE_DATABASE",),
        ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"),
    ),
}


class _Trouble(ExpectedError):
    """What to do about a part that is not ok."""


def doctor(settings: Settings) -> int:
    """Print the findings; 0 when all is well."""
    out = Console(highlight=False, soft_wrap=True)
    troubles: set[str] = set()
    for name, look in CHECKS.items():
        try:
            if (needed := NEEDS.get(name)) in troubles:
                raise _Trouble(f"not asked: look at {needed} first")
            line, mark = look(settings), "[green]ok  [/]"
        # A doctor reports whatever he meets: a driver's own exceptions, too, are findings.
        except Exception as error:
            whole = None if isinstance(error, _Trouble) else 300
            line, mark = " ".join(f"{error}".split())[:whole], "[red]look[/]"
            troubles.add(name)
        out.print(f"{mark}  {name:12} {line}")
    return 1 if troubles else 0


def _settings(settings: Settings) -> str:
    return (
        f"INGEST_ENV={settings.environment}, DATA_DIR={settings.data_dir}, partitions from {settings.partitions_start}"
    )


def _python(settings: Settings) -> str:
    if not (3, 11) <= sys.version_info < (3, 14):
        raise _Trouble(f"Python {sys.version.split()[0]}: make .venv anew with Python 3.11, 3.12 or 3.13")
    return sys.version.split()[0]


def _manifest(settings: Settings) -> str:
    manifest = read_manifest(adapter=environments.ADAPTERS[settings.environment])
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    return f"{len(models)} models for {manifest['metadata']['adapter_type']}"


def _archive(settings: Settings) -> str:
    archive = environments.archive(settings)
    dates = archive.dates()
    if not dates:
        raise _Trouble(f"{archive} is empty: make demo, make collect or make simulate fill it")
    from ingestion_platform.assets.archive_events import listed, passed_over

    passed = passed_over(archive, settings.partitions_start)
    if passed:
        raise _Trouble(f"{len(passed)} objects of {archive} are never loaded: {listed(passed)}")
    line = f"{len(dates)} dates from {dates[0]} to {dates[-1]}"
    ahead = [day for day in dates if day > today()]
    if _simulated(settings, ahead):
        line += f"; what lies under dates to come ({ahead[0]}) are the simulator's late objects, loaded when these have come"
    return line


def _simulated(settings: Settings, dates: Sequence[date]) -> bool:
    """Whether the simulator wrote all that lies under `dates`; false of no dates."""
    archive = environments.archive(settings)
    keys = [parse_key(item.key) for day in dates for item in archive.objects(day, day + ONE_DAY)]
    return bool(keys) and all(key is not None and key.stream == STREAM for key in keys)


def _warehouse(settings: Settings) -> str:
    newest = environments.warehouse(settings).query("select max(event_at), count(*) from raw.logs")[0]
    return f"{newest[1]:,} hits, the newest of {newest[0]} UTC"


def _lake(settings: Settings) -> str:
    from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
    from ingestion_platform.resources.lake.usage import held

    warehouse = environments.warehouse(settings)
    if not isinstance(warehouse, DuckDBWarehouse):
        return "none: Snowflake keeps what was replaced by itself"
    usage = held(warehouse.lake.catalog)
    line = f"{usage.current / 1e6:,.1f} MB in the newest snapshot"
    if older := usage.by_snapshot:
        size, ones = sum(size for _, size in older), "one" if len(older) == 1 else "ones"
        line += (
            f"; {size / 1e6:,.1f} MB only in {len(older)} older {ones}, from {older[0][0].at:%Y-%m-%d %H:%M} UTC on "
            f"(KEEP_VERSIONS_DAYS={settings.keep_versions_days})"
        )
    if usage.scheduled:
        line += f"; {usage.scheduled / 1e6:,.1f} MB wait to be deleted (KEEP_FILES_HOURS={settings.keep_files_hours})"
    return line


def _loaded(settings: Settings) -> str:
    start, end = max(settings.partitions_start, today() - timedelta(days=365)), today() + ONE_DAY
    from ingestion_platform.assets.archive_events import archive_versions

    archive, warehouse = environments.archive(settings), environments.warehouse(settings)
    kept_from = frozen_before(settings.archive_retention_days)
    stopped = warehouse.stopped(archive, start, end, frozen_before=kept_from)
    if stopped:
        raise _Trouble(
            f"{len(stopped)} dates cannot be loaded, and keep their rows; {min(stopped)}: {stopped[min(stopped)]}"
        )
    held = warehouse.loaded_versions(start, end)
    missing = [
        day for day, version in archive_versions(archive, max(start, kept_from)).items() if held.get(day) != version
    ]
    if missing:
        whose = (
            " (from the simulator, which sends some objects late on purpose)" if _simulated(settings, missing) else ""
        )
        raise _Trouble(
            f"{len(missing)} dates hold objects that are not loaded{whose}: make replay FROM={min(missing)} TO={max(missing)}, "
            "or wait for the hourly refresh of make dev"
        )
    return "everything in the archive is loaded"


def _port(name: str, command: str) -> Callable[[Settings], str]:
    def look(settings: Settings) -> str:
        port = settings.dagster_port if name == "DAGSTER_PORT" else settings.collector_port
        if not port_is_free(port):
            return f"{HOST}:{port} is in use: {command} is running, or choose another with {name}"
        return f"{HOST}:{port} is free for {command}"

    return look


def _credentials(settings: Settings) -> str:
    wanted, given = CREDENTIALS[settings.environment], credentials()
    absent = [" or ".join(names) for names in wanted if not any(given.get(name) for name in names)]
    if absent:
        raise _Trouble(f"set in the environment: {', '.join(absent)}")
    if not wanted:
        return "none needed"
    from ingestion_platform.resources.snowflake.check import check

    return check(given)


def _alerts(settings: Settings) -> str:
    return "posted to ALERT_WEBHOOK_URL" if settings.alert_webhook_url else "off (ALERT_WEBHOOK_URL is not set)"


CHECKS: Mapping[str, Callable[[Settings], str]] = {
    "settings": _settings,
    "python": _python,
    "dbt manifest": _manifest,
    "credentials": _credentials,
    "archive": _archive,
    "warehouse": _warehouse,
    "lake": _lake,
    "loaded": _loaded,
    "collector": _port("COLLECTOR_PORT", "make collect"),
    "dagster": _port("DAGSTER_PORT", "make dev"),
    "alerts": _alerts,
}
# An account that cannot be reached is waited for once.
NEEDS: Mapping[str, str] = {"warehouse": "credentials", "lake": "warehouse", "loaded": "credentials"}
