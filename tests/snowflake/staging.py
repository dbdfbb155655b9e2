"""What dbt stages, staged by hand on either warehouse: two models and a view of one, so that what becomes of a proposal is tried in
seconds. The names and forms of what is staged are those of the two materializations in dbt_models/macros."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ingestion_platform.resources.duckdb.fingerprints import FILE_NAME
from ingestion_platform.resources.proposals import Proposal

RELATIONS = {"hits": "events.hits", "pages": "events.pages", "totals": "stats.totals"}
KEYS = {"hits": ["id"], "totals": ["event_date"]}
Hits = Mapping[date, Mapping[str, Any]]
"""By date, a value by id. A date without hits is there, too."""


def stage(bench: Any, proposal: Proposal, hits: Hits, columns: str = "id, value", view: str = "id = id") -> None:
    """Stage hits that have these columns, their totals, and the view of hits of which `view` is true."""
    rows = {
        "hits": _hits(hits, columns),
        "totals": f"select event_date, count(*) as hits, cast(sum(value) as bigint) as value from ({_hits(hits, 'id, value')}) as h group by event_date",
    }
    select = f"select * from events.hits where {view}"
    if "LAKE_STAGED" in proposal.environment:
        _into_files(bench, Path(proposal.environment["LAKE_STAGED"]), rows, hits)
        proposal.add_views({"events.pages": select})
        return
    token = proposal.environment["PROPOSAL_TOKEN"]
    query = bench.warehouse.query
    for model, sql in rows.items():
        relation, table = RELATIONS[model], f"staged.{model}__{token}"
        query(f"create transient table {table} as {sql}")
        names = [row[0].lower() for row in query(_COLUMNS.format(table_name=f"{model}__{token}".upper()))]
        digests = " || ', ' || ".join(
            f"'\"{name}\": \"' || cast(sum(cast(hash(hash(_row_key, {name})) as number(38, 0))) as varchar) || '\"'"
            for name in names
        )
        query(
            f"insert into staged.fingerprints__{token} (model, event_date, row_count, digests) select '{model}', event_date, count(*), "
            f"'{{' || {digests} || '}}' from (select *, hash({', '.join(KEYS[model])}) as _row_key from {table}) as keyed group by event_date"
        )
        definitions = [f"create table if not exists {relation} as select * from {table} where 1 = 0"]
        if "note" in names:
            definitions.append(f"alter table {relation} add column if not exists note varchar")
        _define(query, token, "table", model, definitions)
    _define(query, token, "view", "pages", [f"create or replace view events.pages as {select}"])
    query(f"insert into staged.fingerprints__{token} (model, digests) values ('pages', ?)", [select])


def _hits(hits: Hits, columns: str) -> str:
    values = [
        f"(date '{day}', '{key}', {value}, 'n{value}')" for day, of_day in hits.items() for key, value in of_day.items()
    ]
    given = ", ".join(values) or "(date '2000-01-01', '', 0, '')"
    where = "" if values else " where 1 = 0"
    return (
        f"select event_date, {columns} from (select column1::date as event_date, column2::varchar as id, column3::integer as value, "
        f"column4::varchar as note from (values {given}) as v (column1, column2, column3, column4)) as made{where}"
    )


def _into_files(bench: Any, folder: Path, rows: Mapping[str, str], hits: Hits) -> None:
    with duckdb.connect() as engine:
        for model, sql in rows.items():
            place = folder.joinpath(*RELATIONS[model].split("."))
            names = [row[0] for row in engine.execute(f"describe {sql}").fetchall()]
            digests = ", ".join(
                f'cast(sum(hash(hash("_key", "{name}"))) % 18446744073709551616 as ubigint) as "{name}"'
                for name in names
            )
            engine.execute(
                f'copy (select event_date as "_day", count(*) as "_rows", {digests} from (select *, hash({", ".join(KEYS[model])}) '
                f"as \"_key\" from ({sql})) group by event_date) to '{place / FILE_NAME}' (format parquet)"
            )
            published = bench.warehouse.lake.catalog.snapshot().tables.get(RELATIONS[model])
            held = [column.name for column in published.columns] if published else []
            columns = [name if name in names else f"null::varchar as {name}" for name in held]
            columns += [name for name in names if name not in held]
            for day in hits:
                engine.execute(
                    f"copy (select {', '.join(columns)} from ({sql}) where event_date = date '{day}') "
                    f"to '{place}/event_date={day}/rows.parquet' (format parquet)"
                )


def _define(query: Any, token: str, kind: str, model: str, statements: list[str]) -> None:
    for position, statement in enumerate(statements):
        query(
            f"insert into staged.definitions__{token} (kind, model, relation, position, statement) values (?, ?, ?, ?, ?)",
            [kind, model, RELATIONS[model], position, statement],
        )


_COLUMNS = (
    "select column_name from information_schema.columns where table_schema = 'STAGED' and table_name = '{table_name}'"
)
