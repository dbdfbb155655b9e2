"""The simulator's commands.

    python -m simulations history --from 2026-01-01 --to 2026-01-07   write past dates into DATA_DIR/archive
    python -m simulations pump                                        send N_EVENTS live hits to COLLECT_URL

Both show their progress, end with a summary, and end with one line and a non-zero code where something is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from collector.env_file import read_env_file
from collector.errors import ExpectedError
from simulations.account import report
from simulations.config import TrafficConfig
from simulations.history import write_history
from simulations.protocols import Shares, read_shares
from simulations.pump import pump
from simulations.settings import Settings
from simulations.sources import source


class CommandError(ExpectedError):
    """What the user has to fix."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the process's exit code."""
    options = _options(arguments)
    try:
        return _history(options) if options.command == "history" else _pump(options)
    except ExpectedError as error:
        print(f"simulations: {error}", file=sys.stderr)
    except OSError as error:
        print(f"simulations: {error.filename or 'the archive'}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(
            "simulations: interrupted; dates that were reported are whole, the others can be written again",
            file=sys.stderr,
        )
    return 1


def _settings() -> Settings:
    read_env_file()
    return Settings.read()


def _protocols(options: argparse.Namespace, settings: Settings) -> Shares:
    if options.protocols is None:
        return settings.protocols
    try:
        return read_shares(options.protocols)
    except ValueError as error:
        raise CommandError(f"--protocols {error}") from None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    defaults = TrafficConfig()
    parser = argparse.ArgumentParser(prog="python -m simulations", description="Simulated e-commerce traffic.")
    commands = parser.add_subparsers(dest="command", required=True)
    history = commands.add_parser("history", help="write past dates into DATA_DIR/archive")
    history.add_argument("--from", dest="first", metavar="DATE", help="first date, YYYY-MM-DD")
    history.add_argument("--to", dest="last", metavar="DATE", help="last date, inclusive")
    history.add_argument(
        "--seed", type=int, default=defaults.seed, help="another seed is another history (%(default)s)"
    )
    history.add_argument("--hits-per-day", type=int, default=defaults.hits_per_day, help="about so many (%(default)s)")
    protocols = "shares of the visits' protocols, as in v1=0.6,ga4=0.2,ga4_mp=0.1,segment=0.1 (PROTOCOLS; all v1)"
    history.add_argument("--protocols", metavar="SHARES", help=protocols)
    history.add_argument("--processes", type=int, help="how many dates at a time (one a core)")
    pumper = commands.add_parser("pump", help="send live hits to COLLECT_URL")
    pumper.add_argument("--rate", type=float, help="hits a second at most (as fast as the collector takes them)")
    pumper.add_argument("--protocols", metavar="SHARES", help=protocols)
    pumper.add_argument("--concurrency", type=int, default=64, help="connections (%(default)s)")
    pumper.add_argument("--expect-refused", type=int, default=0, help="refusals that are no loss (%(default)s)")
    return parser.parse_args(arguments)


# ---------------------------------------------------------------------------------------------------------------------
# history
# ---------------------------------------------------------------------------------------------------------------------
def _history(options: argparse.Namespace) -> int:
    settings = _settings()
    first, last = _date("FROM", "--from", options.first), _date("TO", "--to", options.last)
    if last < first:
        raise CommandError(f"FROM is {first}, after TO, {last}: swap them")
    today = datetime.now(UTC).date()
    if last >= today:
        raise CommandError(f"{last} is not over (UTC): history ends before {today}; use `make pump` for live traffic")
    try:
        config = TrafficConfig(
            seed=options.seed, hits_per_day=options.hits_per_day, protocols=_protocols(options, settings)
        )
    except ValueError as error:
        raise CommandError(str(error)) from None
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    console = Console()
    started = time.monotonic()
    lines = objects = size = 0
    with _progress(console) as progress:
        task = progress.add_task("Writing dates", total=len(days))
        for written in write_history(settings.archive, days, config, options.processes):
            lines, objects, size = lines + written.lines, objects + written.objects, size + written.bytes
            progress.advance(task)
    seconds = time.monotonic() - started
    console.print(
        f"Wrote {len(days):,} dates, {lines:,} lines in {objects:,} objects ({size / 1e6:,.1f} MB) "
        f"to {settings.archive} in {seconds:.1f} s ({lines / seconds:,.0f} lines/s)",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _date(name: str, option: str, text: str | None) -> date:
    if not text:
        raise CommandError(f"{name} is missing: say {name}=2026-01-01 to make, or {option} 2026-01-01 to this command")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{name} is {text!r}: it has to be a date, as in 2026-01-01") from None


# ---------------------------------------------------------------------------------------------------------------------
# pump
# ---------------------------------------------------------------------------------------------------------------------
def _pump(options: argparse.Namespace) -> int:
    settings = _settings()
    if options.concurrency < 1:
        raise CommandError(f"--concurrency is {options.concurrency}: it has to be 1 or more")
    if options.rate is not None and options.rate <= 0:
        raise CommandError(f"--rate is {options.rate}: it has to be above 0")
    name, visits = source(settings.data_folder, settings.n_events, _protocols(options, settings))
    console = Console()
    with _progress(console) as progress:
        task = progress.add_task(f"Sending {name}", total=settings.n_events)
        account = pump(
            visits,
            settings.collect_url,
            settings.n_events,
            rate=options.rate,
            concurrency=options.concurrency,
            on_progress=lambda done: progress.update(task, completed=done),
        )
    console.print(report(account, settings.collect_url, name))
    return account.exit_code(options.expect_refused)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


if __name__ == "__main__":
    sys.exit(main())
