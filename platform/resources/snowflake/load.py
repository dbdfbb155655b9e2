"""One load on Snowflake: what it removes, copies and notes, inside the transactions that the warehouse opens.

An object that RAW.LOGS already holds was loaded by the pipe and is only noted. Bad lines are counted by COPY or its history; their text
is read from the archive, from those objects only. `docs/decisions/snowflake-loading-beside-a-pipe.md` has the reasons.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid5

from collector.archive_keys import parse_key
from ingestion_platform.resources.archive import Archive, ArchiveObject
from ingestion_platform.resources.line_reader import bad_lines, unreadable
from ingestion_platform.resources.load_plan import LoadedObjects, LoadTally, Missing, empty_objects
from ingestion_platform.resources.snowflake import sql as sql
from ingestion_platform.resources.snowflake.session import Session, chunks
from ingestion_platform.resources.warehouse import LOG_ID_NAMESPACE


class Load:
    """One load: what it removes, copies and notes. `pipe_grace_from` is the moment after which an object is left to the pipe."""

    def __init__(self, session: Session, archive: Archive, tally: LoadTally, pipe_grace_from: datetime) -> None:
        self._session = session
        self._archive = archive
        self._tally = tally
        self._pipe_grace_from = pipe_grace_from

    def remove(self, objects: Sequence[ArchiveObject]) -> None:
        """Delete what these objects brought, and note the dates that this changes."""
        keys = sql.as_json(item.key for item in objects)
        touched = {day for row in self._session.run("touched_dates", keys) for day in json.loads(row[0])}
        self._tally.removed({date.fromisoformat(day) for day in touched})
        arrived = [item.arrival_date for item in objects]
        self._session.run("delete_logs", min(arrived), max(arrived), keys)
        self._session.run("delete_bad_lines", keys)
        self._session.run("delete_ledger", keys)
        self._next_load_id(sorted(touched))

    def add(self, objects: Sequence[ArchiveObject]) -> None:
        """Make RAW.LOGS hold these objects and note them. One that cannot be read costs its neighbours nothing."""
        found = self._rows(objects)
        # A pipe loads a file whole, so one row tells. What is young and not there yet is the pipe's.
        by_pipe = [item for item in objects if item.key in found]
        ours = [item for item in objects if item.key not in found and not self._is_within_pipe_grace(item)]
        copied, errors, failed = self._copy(ours)
        if by_pipe:
            failed |= self._failed_in_pipe(by_pipe)
        if copied:
            found = self._rows([*by_pipe, *copied])
        bad = {item.key: bad_lines(self._archive, item) for item in [*by_pipe, *copied] if item.key in failed}
        ledger = self._ledger([*by_pipe, *copied], found, {key: len(lines) for key, lines in bad.items()})
        self._insert_bad_lines(objects, bad)
        number = self._next_load_id(sorted({f"{day}" for row in ledger for day in row["event_dates"]}))
        for some in chunks([{**row, "load_id": number} for row in ledger]):
            self._session.run("insert_ledger", some)
        self._tally.loaded(LoadedObjects([*by_pipe, *copied], errors), ledger)

    def _is_within_pipe_grace(self, item: ArchiveObject) -> bool:
        key = parse_key(item.key)
        return key is not None and key.arrived_at > self._pipe_grace_from

    def _copy(
        self, objects: Sequence[ArchiveObject]
    ) -> tuple[list[ArchiveObject], list[tuple[ArchiveObject, str]], set[str]]:
        """COPY the objects; returns those copied, those that cannot be read, and the keys of those with bad lines."""
        from snowflake.connector.errors import ProgrammingError

        # COPY reads an empty file without a word.
        errors = empty_objects(objects)
        wanted = [item for item in objects if item.size]
        if not wanted:
            return [], errors, set()
        try:
            report = self._session.execute(sql.copy_logs([item.key for item in wanted]))
        except ProgrammingError:
            # One broken file fails the statement: find it, and copy the others.
            broken = unreadable(self._archive, wanted)
            if not broken:
                raise
            errors += broken
            wanted = [item for item in wanted if item not in {found for found, _ in broken}]
            report = self._session.execute(sql.copy_logs([item.key for item in wanted])) if wanted else []
        by_name = {_short(item.key): item.key for item in wanted}
        failed = {by_name[_short(row[0])] for row in report if len(row) > 5 and int(row[5] or 0) > 0}
        return wanted, errors, failed

    def _failed_in_pipe(self, objects: Sequence[ArchiveObject]) -> set[str]:
        """The keys whose load met bad lines, or of which no history tells any more: those are looked through."""
        history = {_short(name): int(errors or 0) for name, errors in self._session.run("copy_history")}
        return {item.key for item in objects if history.get(_short(item.key), 1) > 0}

    def _rows(self, objects: Sequence[ArchiveObject]) -> dict[str, dict[date, int]]:
        """Rows in RAW.LOGS by object and event date, for those of `objects` that have any."""
        arrived = [item.arrival_date for item in objects]
        keys = sql.as_json(item.key for item in objects)
        found: dict[str, dict[date, int]] = defaultdict(dict)
        for key, day, count in self._session.run("rows_of_objects", min(arrived), max(arrived), keys):
            found[key][day] = int(count)
        return found

    def _ledger(
        self, objects: Sequence[ArchiveObject], found: Mapping[str, Mapping[date, int]], bad: Mapping[str, int]
    ) -> list[dict[str, Any]]:
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
        return [
            {
                "object_key": item.key,
                "arrival_date": item.arrival_date,
                "etag": item.etag,
                "size_bytes": item.size,
                "row_count": sum(found.get(item.key, {}).values()),
                "bad_lines": bad.get(item.key, 0),
                # A bad line is quarantined under its arrival date, so that date's models change too.
                "event_dates": sorted({*found.get(item.key, {}), *([item.arrival_date] if bad.get(item.key) else [])}),
                "loaded_at": now,
            }
            for item in objects
        ]

    def _insert_bad_lines(self, objects: Sequence[ArchiveObject], bad: Mapping[str, list[tuple[int, str]]]) -> None:
        rows = [
            {
                "log_id": f"{uuid5(UUID(LOG_ID_NAMESPACE), f'{item.key}:{number}')}",
                "log_filename": item.key,
                "log_file_row_number": number,
                "arrival_date": item.arrival_date,
                "payload": text[:8192],
            }
            for item in objects
            for number, text in bad.get(item.key, [])
        ]
        for some in chunks(rows):
            self._session.run("insert_bad_lines", some)

    def _next_load_id(self, event_dates: Sequence[str]) -> int:
        """Give this load its number, under a lock that lasts until the commit, and note the event dates it changed."""
        self._session.run("next_load_id")
        number = int(self._session.run("number_taken")[0][0])
        if event_dates:
            changed = sql.as_json(event_dates)
            self._session.run("forget_changes", changed)
            self._session.run("note_changes", number, changed)
        return number


def _short(name: str) -> str:
    """YYYY/MM/DD/HH/<file>: what is common to an object's key and the names that COPY and its history report."""
    return "/".join(name.split("/")[-5:])


def unreadable_successors(archive: Archive, missing: Missing) -> list[tuple[ArchiveObject, str]]:
    """Objects that are to replace rows and cannot be read whole, with the reason: told before any row goes."""
    held = {item.key for item in missing.remove}
    return unreadable(archive, [item for item in missing.add if item.key in held])
