"""`python -m ingestion_platform demo|dev|dashboard|plan|replay|recollect|publish|discard|rollback|upgrade|status|docs|doctor|prepare|data-dir`: what the Makefile calls.

Expected trouble (a setting, a date, a port, an object) is one line on standard error and exit code 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from collector.env_file import read_env_file
from collector.errors import ExpectedError
from ingestion_platform import settings as environment
from ingestion_platform.commands.errors import full_disk


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m ingestion_platform", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="seven days of history and live hits through the whole platform")
    commands.add_parser("dev", help="open the Dagster UI on the data of DATA_DIR")
    commands.add_parser("dashboard", help="the page of what is published, opened in the browser")
    planned = commands.add_parser("plan", help="what a replay of a range of dates would do, and how long it takes")
    planned.add_argument("--from", dest="first", required=True, metavar="DATE", help="first date, such as 2026-01-01")
    planned.add_argument("--to", dest="last", required=True, metavar="DATE", help="last date, included")
    replay = commands.add_parser("replay", help="rebuild a range of dates from the archive")
    replay.add_argument("--from", dest="first", required=True, metavar="DATE", help="first date, such as 2026-01-01")
    replay.add_argument("--to", dest="last", required=True, metavar="DATE", help="last date, included")
    replay.add_argument(
        "--remove",
        nargs="*",
        default=[],
        metavar="KEY",
        help="objects that are gone from the archive on purpose: their rows are removed; any other that is gone stops its date",
    )
    recollect = commands.add_parser(
        "recollect",
        help="judge archived records again by today's rules of the collector, append corrections where they differ",
    )
    recollect.add_argument("--from", dest="first", required=True, metavar="DATE", help="first date of arrival")
    recollect.add_argument("--to", dest="last", required=True, metavar="DATE", help="last date, included")
    recollect.add_argument(
        "--reason",
        nargs="*",
        default=[],
        metavar="REASON",
        help="only what is refused for this, as in events.quarantine",
    )
    recollect.add_argument(
        "--protocol", nargs="*", default=[], metavar="NAME", help="only this protocol, as in events.logs"
    )
    recollect.add_argument("--dry", action="store_true", help="count only, write nothing")
    upgrade = commands.add_parser(
        "upgrade", help="rebuild the data of version 0.1 from the archive; its warehouse is kept"
    )
    upgrade.add_argument(
        "--remove", nargs="*", default=[], metavar="KEY", help="objects that are gone from the archive on purpose"
    )
    for name, said in (
        ("publish", "publish what a run held: an audit, or some of its dates; the newest where none is named"),
        ("discard", "forget what a run held: an audit, or some of its dates; the newest where none is named"),
    ):
        decision = commands.add_parser(name, help=said)
        decision.add_argument("--audit", default="", metavar="ID", help="the audit, as the run and make status name it")
        decision.add_argument("--from", dest="first", default="", metavar="DATE", help="first date of it")
        decision.add_argument("--to", dest="last", default="", metavar="DATE", help="last date of it, included")
    rollback = commands.add_parser("rollback", help="let what a publication changed be again as it was before it")
    rollback.add_argument(
        "--publication", default="", metavar="NUMBER", help="its number (make status); the newest where none is named"
    )
    status = commands.add_parser(
        "status", help="how every date stands: archived, loaded, built, published; waiting or wrong"
    )
    status.add_argument("--days", type=int, default=14, metavar="N", help="show the newest N dates (14)")
    commands.add_parser("docs", help="serve the project's pages and dbt's documentation to this machine")
    commands.add_parser("doctor", help="check settings, archive, warehouse, ports and credentials")
    commands.add_parser("prepare", help="parse the dbt project for the code location")
    commands.add_parser("data-dir", help="print DATA_DIR, as the settings have it; refused while dev or demo uses it")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        read_env_file()
        return _run(options)
    except KeyboardInterrupt:
        print("Stopped. What was running can be launched again: nothing is lost.", file=sys.stderr)
        return 130
    except Exception as error:
        line = _line(error)
        if line is None:
            raise
        print(f"{options.command}: {line}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    settings = environment.read()
    if options.command in ("demo", "dev", "dashboard", "plan", "replay", "publish", "discard", "rollback"):
        from ingestion_platform.commands.upgrade import refuse_old_warehouse

        refuse_old_warehouse(settings)
    # Each command is imported on use: `prepare` must run before dbt's manifest exists, and Dagster takes seconds.
    if options.command == "prepare":
        from ingestion_platform.commands.prepare import prepare

        prepare(settings)
    elif options.command == "dev":
        from ingestion_platform.commands.dev import dev

        return dev(settings)
    elif options.command == "dashboard":
        from ingestion_platform.commands.dashboard import show_dashboard

        show_dashboard(settings)
    elif options.command == "plan":
        from ingestion_platform.commands.plan import show_plan

        show_plan(settings, options.first, options.last)
    elif options.command == "replay":
        from ingestion_platform.commands.replay import replay

        replay(settings, options.first, options.last, options.remove)
    elif options.command in ("publish", "discard"):
        from ingestion_platform.commands.publication import decide

        decide(settings, options.command, options.audit, options.first, options.last)
    elif options.command == "rollback":
        from ingestion_platform.commands.publication import roll_back

        roll_back(settings, options.publication)
    elif options.command == "recollect":
        from ingestion_platform.commands.recollect import recollect_dates

        recollect_dates(settings, options.first, options.last, options.reason, options.protocol, options.dry)
    elif options.command == "upgrade":
        from ingestion_platform.commands.upgrade import upgrade

        upgrade(settings, options.remove)
    elif options.command == "status":
        from ingestion_platform.commands.status import show_status

        return show_status(settings, options.days)
    elif options.command == "docs":
        from ingestion_platform.commands.docs import serve_docs

        serve_docs(settings)
    elif options.command == "demo":
        from ingestion_platform.commands.demo import demo

        demo(settings)
    elif options.command == "data-dir":
        from ingestion_platform.commands.locks import refuse_if_used

        refuse_if_used(settings)
        print(settings.data_dir)
    else:
        from ingestion_platform.commands.doctor import doctor

        return doctor(settings)
    return 0


def _line(error: Exception) -> str | None:
    """The one line for trouble that is expected; None for any other."""
    if isinstance(error, environment.SettingsError):
        return f"{error}"
    full = full_disk(error, environment.read().data_dir)
    if full is None and isinstance(error, OSError | ExpectedError):
        return f"{error}"
    return full


if __name__ == "__main__":
    sys.exit(main())
