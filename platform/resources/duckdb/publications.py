"""What was built and published, in the catalog's file: versions of cells by publication; what is held beside it (audits.py)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from ingestion_platform.changes import Cell, Version
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.resources.duckdb.audits import LakeAudits, now, version_columns
from ingestion_platform.resources.proposals import Publication, PublicationKind
from ingestion_platform.resources.settling import stored_version

_CURRENT = """
    select b.model, b.event_date, b.code_version, b.inputs, b.load_id, b.publication_id, v.row_count, v.engine, v.digests
    from clickstream_build_history as b
    left join clickstream_versions as v using (model, event_date, publication_id)
    where b.event_date >= ? and b.event_date < ? and b.model in (select value from json_each(?))
"""
_VERSIONS = """
    select model, event_date, code_version, inputs, load_id, publication_id, row_count, engine, digests
    from clickstream_versions
"""
_BEGUN = """
    select s.schema_name || '.' || t.table_name as relation, p.partition_value, max(f.begin_snapshot)
    from ducklake_data_file as f
    join ducklake_table as t using (table_id)
    join ducklake_schema as s using (schema_id)
    join ducklake_file_partition_value as p using (data_file_id)
    where f.end_snapshot is null and s.schema_name || '.' || t.table_name in (select value from json_each(?))
    group by 1, 2
"""
_CLOSE = """
    update clickstream_versions as v
    set (load_id, code_version, inputs) = (b.load_id, b.code_version, b.inputs)
    from clickstream_build_history as b
    where b.model = ? and b.event_date = ?
        and v.model = b.model and v.event_date = b.event_date and v.publication_id = b.publication_id
"""
_FORGET = """
    delete from clickstream_versions as v
    where not exists (
        select 1
        from clickstream_build_history as b
        where b.model = v.model and b.event_date = v.event_date and b.publication_id = v.publication_id
    )
    and not exists (
        select 1
        from clickstream_audits as a
        where a.model = v.model and a.event_date = v.event_date and a.before_publication = v.publication_id and a.state = 'held'
    )
    and not exists (
        select 1
        from clickstream_versions as later
        join clickstream_publications as p on p.publication_id = later.publication_id
        where later.model = v.model and later.event_date = v.event_date and later.publication_id > v.publication_id
            and p.snapshot_id > (select min(snapshot_id) from ducklake_snapshot)
    )
"""


class LakePublications(LakeAudits):
    """Over an open transaction of the catalog."""

    def current(self, models: Collection[str], window: Window) -> dict[Cell, Version]:
        """The published versions of these models' dates."""
        rows = self._run(_CURRENT, [f"{window.start}", f"{window.end}", json.dumps(sorted(models))])
        return {Cell(row[0], date.fromisoformat(row[1])): stored_version(row[2:]) for row in rows}

    def altered(self, cells: Mapping[Cell, Version], relations: Mapping[str, str]) -> set[Cell]:
        """Those of `cells` whose current file is not the one that their publication added."""
        begun = {
            (relation, value): first
            for relation, value, first in self._run(_BEGUN, [json.dumps(sorted({*relations.values()}))])
        }
        made = dict(self._run("select publication_id, snapshot_id from clickstream_publications where snapshot_id > 0"))
        return {
            cell
            for cell, version in cells.items()
            if version.publication in made
            and begun.get((relations[cell.model], f"{cell.day}"))
            != (made[version.publication] if version.fingerprint.rows else None)
        }

    def of_publication(self, number: int) -> dict[Cell, Version]:
        """The versions of the cells that a publication changed."""
        rows = self._run(f"{_VERSIONS} where publication_id = ?", [number])
        return {Cell(row[0], date.fromisoformat(row[1])): stored_version(row[2:]) for row in rows}

    def before(self, cell: Cell, number: int) -> Version | None:
        """The version that a cell had when publication `number` changed it, if it had one that is still known."""
        rows = self._run(
            f"{_VERSIONS} where model = ? and event_date = ? and publication_id < ? order by publication_id desc limit 1",
            [cell.model, f"{cell.day}", number],
        )
        return stored_version(rows[0][2:]) if rows else None

    def close(self, cells: Iterable[Cell]) -> None:
        """Note with the current versions of these cells, which are about to be replaced, what built the same rows last: what a roll back
        of the replacing publication names again."""
        self._connection.executemany(_CLOSE, [(cell.model, f"{cell.day}") for cell in cells])

    def record_built(self, versions: Mapping[Cell, Version]) -> bool:
        """Note what the published rows of these cells were built from last; `publication` of each is the one that has them.

        Returns whether that is news. A fingerprint that is missing, or that another engine made, is replaced.
        """
        before = self._connection.total_changes
        self._connection.executemany(
            """
            insert into clickstream_build_history values (?, ?, ?, ?, ?, ?)
            on conflict (model, event_date) do update set
                load_id = excluded.load_id, code_version = excluded.code_version, inputs = excluded.inputs,
                publication_id = excluded.publication_id
            where (load_id, code_version, inputs, publication_id)
                <> (excluded.load_id, excluded.code_version, excluded.inputs, excluded.publication_id)
            """,
            [
                (cell.model, f"{cell.day}", version.load_id, version.code, version.inputs, version.publication)
                for cell, version in versions.items()
            ],
        )
        news = self._connection.total_changes > before
        self._connection.executemany(
            """
            insert into clickstream_versions values (?, ?, ?, ?, ?, ?, ?, ?, ?)
            on conflict (model, event_date, publication_id) do update set engine = excluded.engine, digests = excluded.digests
            where engine <> excluded.engine
            """,
            self._rows(versions),
        )
        return news

    def record(self, kind: PublicationKind, about: str, cells: Collection[Cell], snapshot_id: int) -> int:
        """Note a publication of the rows of `cells`, none of one of views only; returns its number."""
        ((number,),) = self._run("select coalesce(max(publication_id), 0) + 1 from clickstream_publications")
        days = [cell.day for cell in cells]
        bounds: list[str | None] = [f"{min(days)}", f"{max(days) + ONE_DAY}"] if days else [None, None]
        models = json.dumps(sorted({cell.model for cell in cells}))
        self._run(
            "insert into clickstream_publications values (?, ?, ?, ?, ?, ?, ?, ?)",
            [number, now(), models, *bounds, kind, about, snapshot_id],
        )
        return int(number)

    def publications(self, limit: int) -> list[Publication]:
        rows = self._run(
            "select publication_id, published_at, models, start_date, end_date, kind, about from clickstream_publications "
            "order by publication_id desc limit ?",
            [limit],
        )
        return [
            Publication(
                number,
                datetime.fromisoformat(at),
                tuple(json.loads(models)),
                Window(date.fromisoformat(start), date.fromisoformat(end)) if start else None,
                PublicationKind(kind),
                about,
            )
            for number, at, models, start, end, kind, about in rows
        ]

    def snapshot_of(self, number: int) -> int | None:
        """The snapshot that a publication made."""
        rows = self._run("select snapshot_id from clickstream_publications where publication_id = ?", [number])
        return int(rows[0][0]) if rows else None

    def models_of(self, number: int) -> list[str] | None:
        rows = self._run("select models from clickstream_publications where publication_id = ?", [number])
        return list(json.loads(rows[0][0])) if rows else None

    def forget_versions(self) -> int:
        """Forget versions that can neither be compared with nor be taken back to any more; returns how many.

        Kept are the current ones, those that a held audit was compared with, and those of publications whose snapshot is kept, with
        what these replaced.
        """
        return self._connection.execute(_FORGET).rowcount

    def numbers(self, models: Collection[str], window: Window) -> dict[Cell, list[int]]:
        """The publications of which versions of these models' dates are known."""
        numbers: dict[Cell, list[int]] = {}
        for model, day, number in self._run(
            "select model, event_date, publication_id from clickstream_versions "
            "where event_date >= ? and event_date < ? and model in (select value from json_each(?))",
            [f"{window.start}", f"{window.end}", json.dumps(sorted(models))],
        ):
            numbers.setdefault(Cell(model, date.fromisoformat(day)), []).append(number)
        return numbers

    def roll_backs(self) -> dict[int, int]:
        """Which publication took back which."""
        rows = self._run(
            "select publication_id, about from clickstream_publications where kind = ?", [PublicationKind.ROLL_BACK]
        )
        return {number: int(about) for number, about in rows}

    @staticmethod
    def _rows(versions: Mapping[Cell, Version]) -> list[tuple[Any, ...]]:
        return [(v.publication, cell.model, f"{cell.day}", *version_columns(v)) for cell, v in versions.items()]
