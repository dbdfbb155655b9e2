"""`demo`: a week of history and live hits through the whole platform, then the statistics in the terminal.

Seven past dates (chosen once for a DATA_DIR, so that another demo changes no past figure) are written by the asset
`simulations/traffic`; a collector is started and takes live hits over HTTP; one replay covers all dates, and a refresh builds
what follows from them. Everything is an ordinary run on the instance that `make dev` opens.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from rich.console import Console

from collector.local_process import CollectorFailed, start_collector
from ingestion_platform.automation.jobs import SIMULATE
from ingestion_platform.commands.errors import CommandError
from ingestion_platform.commands.locks import DEMO, only_one
from ingestion_platform.commands.publication import say_what_is_held
from ingestion_platform.commands.replay import replay_work
from ingestion_platform.commands.report import print_report
from ingestion_platform.commands.runs import Work, console, execute
from ingestion_platform.dates import ONE_DAY, Window, today
from ingestion_platform.instance import open_instance
from ingestion_platform.settings import Settings

_HISTORY_DAYS = 7


def demo(settings: Settings) -> None:
    """Run the demonstration. Raises CommandError or RunFailed with one line when a part of it fails, or another is at it."""
    with only_one(settings, DEMO):
        _demo(settings)


def _demo(settings: Settings) -> None:
    began = time.monotonic()
    out = console()
    history = history_of(settings)
    out.rule("[bold]1[/] · History and live traffic")
    with open_instance(settings) as instance:
        if all((settings.truth_folder / f"{day}.json").exists() for day in history.days):
            out.print(f"Traffic of {history} is in the archive already.")
        else:
            execute(instance, [Work(SIMULATE, history, f"Simulate {history}")], out)
        pump(settings, out)
        out.rule("[bold]2[/] · From the archive to the statistics")
        everything = Window(history.start, today() + ONE_DAY)
        held = execute(instance, [*replay_work(settings, everything), Work("hourly_refresh", None, "Refresh")], out)
    if held:
        say_what_is_held(settings, out, held)
    print_report(settings, Window(history.start, today() + ONE_DAY), out)
    out.print(f"Done in {time.monotonic() - began:.0f} s.")


def history_of(settings: Settings) -> Window:
    """The past dates of this DATA_DIR's demonstrations: the seven before the first one, kept in demo.json."""
    note = settings.data_dir / "demo.json"
    if note.exists():
        dates = json.loads(note.read_text())
        return Window(date.fromisoformat(dates["start"]), date.fromisoformat(dates["end"]))
    start = max(today() - timedelta(days=_HISTORY_DAYS), settings.partitions_start)
    if start >= today():
        raise CommandError(
            f"PARTITIONS_START={settings.partitions_start} leaves no past date; the demo needs one before today"
        )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"start": f"{start}", "end": f"{today()}"}))
    return Window(start, today())


def pump(settings: Settings, out: Console) -> None:
    """Send N_EVENTS live hits to a collector of our own, and wait until it has delivered them."""
    with _collector(settings, out) as address:
        environment = {**os.environ, "COLLECT_URL": f"{address}/collect", "N_EVENTS": f"{settings.n_events}"}
        sent = subprocess.run([sys.executable, "-m", "simulations", "pump"], env=environment, check=False)
        if sent.returncode != 0:
            raise CommandError("the pumper reported losses (see above); run the demo again")


@contextmanager
def _collector(settings: Settings, out: Console) -> Iterator[str]:
    """A collector on a free port; its address. Leaving drains its journal into the archive."""
    try:
        collector = start_collector(settings.data_dir)
        try:
            out.print(f"A collector answers at {collector.url}/collect.")
            yield collector.url
        finally:
            collector.stop()
    except CollectorFailed as error:
        # What the server said last says why.
        raise CommandError(" ".join(f"{error}".split())[-400:]) from None
