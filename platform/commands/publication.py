"""`publish`, `discard` and `rollback`: a person's word on what runs held or published, as ordinary Dagster runs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from rich.console import Console
from rich.markup import escape

from ingestion_platform.automation.publication_jobs import DISCARD, PUBLISH, ROLL_BACK
from ingestion_platform.changes import in_words
from ingestion_platform.commands.errors import CommandError
from ingestion_platform.commands.runs import Work, console, execute
from ingestion_platform.dates import listed
from ingestion_platform.instance import open_instance
from ingestion_platform.resources import environments
from ingestion_platform.resources.proposals import HeldAudit
from ingestion_platform.settings import Settings

_JOBS = {
    "publish": (PUBLISH, "publish", "Publish"),
    "discard": (DISCARD, "discard", "Discard"),
}


def decide(settings: Settings, command: str, audit: str, first: str, last: str) -> None:
    """Publish or discard what an audit holds, the newest where none is named; all of it, or the dates from `first` to `last`."""
    job, node, title = _JOBS[command]
    warehouse = environments.warehouse(settings)
    named = audit or next((known.audit_id for known in warehouse.waiting()), "")
    if not named:
        raise CommandError(f"nothing is held: there is nothing to {command}")
    config = {"ops": {node: {"config": {"audit": named, "first": first, "last": last}}}}
    _run(settings, Work(job, None, f"{title} audit {named}", config=config))
    out = console()
    settled = warehouse.audit(named)
    if settled is not None:
        for state in sorted({*settled.states.values()}):
            out.print(f"Audit {named}: {listed(settled.dates(state))} {state}.", soft_wrap=True)
    say_what_is_held(settings, out)


def roll_back(settings: Settings, publication: str) -> None:
    """Take a publication back, the newest where none is named."""
    if publication and not publication.isdigit():
        raise CommandError(f"{publication!r} is no publication: write its number (make status)")
    config = {"ops": {"take_back": {"config": {"publication": int(publication or 0)}}}}
    _run(settings, Work(ROLL_BACK, None, f"Roll back publication {publication or '(the newest)'}", config=config))
    newest = next(known for known in environments.warehouse(settings).publications() if known.window is not None)
    console().print(
        f"Publication {newest.number} ({newest.kind} of {newest.about}): {', '.join(newest.models)} of {newest.window}."
        if newest.about
        else f"Nothing was changed: publication {publication} had been rolled back before.",
        soft_wrap=True,
    )


def say_what_is_held(settings: Settings, out: Console, only: Collection[str] = ()) -> None:
    """Name the audits that wait, with what they would change; those of `only`, where some are named."""
    for audit in environments.warehouse(settings).waiting():
        if not only or audit.audit_id in only:
            for line in lines_of(audit):
                out.print(line, soft_wrap=True)


def lines_of(audit: HeldAudit) -> list[str]:
    """An audit that waits, for the terminal."""
    days: set[date] = {*audit.dates()}
    changes = [change for change in audit.changes if change.cell.day in days]
    said = [line for line in in_words(changes) if line.startswith(("Held", "Defect"))]
    return [
        f"[yellow]Held: {listed(days)}[/] (audit {audit.audit_id}). What is published stays as it was until you say:",
        *(f"  {escape(line)}" for line in said),
        f"  make publish AUDIT={audit.audit_id}    or    make discard AUDIT={audit.audit_id}",
    ]


def _run(settings: Settings, work: Work) -> None:
    with open_instance(settings) as instance:
        execute(instance, [work], console())
