"""One load on Snowflake: what it removes, copies and notes.

Which objects are missing is decided by file name, from the ledger and from RAW.LOGS itself; COPY's own history (64 days) and the
pipe's (14 days, and not the same one) decide nothing. An object that RAW.LOGS already holds was loaded by the pipe and is only noted in
the ledger. Should both load one at the same moment, its rows are more than the ledger says, and the next load of its date loads it
anew. Bad lines are counted by COPY or its history; their text is read from the archive, from those objects only.
`docs/decisions/snowflake-loading-beside-a-pipe.md` has the reasons.

A batch of objects is one transaction, with its ledger rows; whatever removes rows is one transaction with what replaces them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID, uuid5

from collector.archive_keys import parse_key
from ingestion_platform.resources.archive import Archive, ArchiveObject
from ingestion_platform.resources.guard import Safe
from ingestion_platform.resources.ledger import changed_dates, ledger_rows
from ingestion_platform.resources.line_reader import bad_lines, unreadable
from ingestion_platform.resources.load_plan import LoadedObjects, LoadTally, Missing, empty_objects
from ingestion_platform.resources.snowflake import sql
from ingestion_platform.resources.snowflake.ledger import SnowflakeLedger
from ingestion_platform.resources.snowflake.session import Session, chunks
from ingestion_platform.resources.warehouse import LOG_ID_NAMESPACE


class Load:
    """One load of `archive`; what it did goes into `tally`. `pipe_grace_from` is the moment after which an object is left to the pipe."""

    def __init__(self, session: Session, archive: Archive, tally: LoadTally, pipe_grace_from: datetime) -> None:
        self._session = session
        self._ledger = SnowflakeLedger(session)
        self._archive = archive
        self._tally = tally
        self._pipe_grace_from = pipe_grace_from

    def run(self, missing: Missing, on_batch: Callable[[int], object]) -> None:
        """Remove and add what is missing; `on_batch` is called with the number of objects in all after each batch."""
        missing = _without(missing, self._tally.unreadable(_unreadable_successors(self._archive, missing)))
        with self._session.transaction(bool(missing.remove)):
            if missing.remove:
                self._remove(missing.remove)
            for first in range(0, len(missing.add), sql.FILES_PER_COPY):
                with self._session.transaction(not missing.remove):
                    self._add(missing.add[first : first + sql.FILES_PER_COPY])
                on_batch(len(missing.add))

    def _remove(self, objects: Sequence[ArchiveObject]) -> None:
        """Delete what these objects brought, and note the dates that this changes."""
        touched = self._ledger.remove(objects)
        self._tally.removed(touched)
        self._ledger.note_changes(touched)

    def _add(self, objects: Sequence[ArchiveObject]) -> None:
        """Make RAW.LOGS hold these objects and note them. One that cannot be read costs its neighbours nothing."""
        present = self._rows(objects)
        # A pipe loads a file whole, so one row is proof. What is young and not there yet is the pipe's.
        by_pipe = [item for item in objects if item.key in present]
        ours = [item for item in objects if item.key not in present and not self._is_within_pipe_grace(item)]
        copied, errors, failed = self._copy(ours)
        if by_pipe:
            failed |= self._failed_in_pipe(by_pipe)
        if copied:
            present = self._rows([*by_pipe, *copied])
        loaded = [*by_pipe, *copied]
        bad = {item.key: bad_lines(self._archive, item) for item in loaded if item.key in failed}
        row_counts = {key: sum(by_date.values()) for key, by_date in present.items()}
        rows = ledger_rows(loaded, row_counts, present, {key: len(lines) for key, lines in bad.items()})
        self._insert_bad_lines(objects, bad)
        self._ledger.note_objects(self._ledger.note_changes(changed_dates(rows)), rows)
        self._tally.loaded(LoadedObjects(loaded, errors), rows)

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
            unread = {item.key for item, _ in broken}
            wanted = [item for item in wanted if item.key not in unread]
            report = self._session.execute(sql.copy_logs([item.key for item in wanted])) if wanted else []
        by_name = {_short(item.key): item.key for item in wanted}
        failed = {by_name[_short(row[0])] for row in report if len(row) > 5 and int(row[5] or 0) > 0}
        return wanted, errors, failed

    def _failed_in_pipe(self, objects: Sequence[ArchiveObject]) -> set[str]:
        """The keys whose load met bad lines, or of which no history tells any more: those are looked through."""
        history = {_short(name): int(errors or 0) for name, errors in self._session.run("copy_history")}
        return {item.key for item in objects if history.get(_short(item.key), 1) > 0}

    def _rows(self, objects: Sequence[ArchiveObject]) -> dict[str, dict[date, int]]:
        """Rows in RAW.LOGS by object and event date that they touch, for those of `objects` that have any."""
        arrived = [item.arrival_date for item in objects]
        keys = sql.as_json(item.key for item in objects)
        rows: dict[str, dict[date, int]] = defaultdict(dict)
        for key, day, count in self._session.run("rows_of_objects", min(arrived), max(arrived), keys):
            rows[key][day] = rows[key].get(day, 0) + int(count)
        return dict(rows)

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


def with_row_count_mismatches(missing: Missing, safe: Safe, keys: Collection[str]) -> Missing:
    """Also load anew the objects of these keys: RAW.LOGS holds another number of their rows than the ledger says."""
    add = {*missing.add, *(item for item in safe.archived if item.key in keys)}
    remove = {*missing.remove, *(item for item in safe.held if item.key in keys)}
    return Missing(sorted(add), sorted(remove))


def _unreadable_successors(archive: Archive, missing: Missing) -> list[tuple[ArchiveObject, str]]:
    """Objects that are to replace rows and cannot be read whole, with the reason: known before any row goes."""
    held = {item.key for item in missing.remove}
    return unreadable(archive, [item for item in missing.add if item.key in held])


def _without(missing: Missing, unread: Collection[str]) -> Missing:
    """What replaces rows and cannot be read is left out, so that the rows stay."""
    return Missing(
        [item for item in missing.add if item.key not in unread],
        [item for item in missing.remove if item.key not in unread],
    )


def _short(name: str) -> str:
    """YYYY/MM/DD/HH/<file>: what is common to an object's key and the names that COPY and its history report."""
    return "/".join(name.split("/")[-5:])
