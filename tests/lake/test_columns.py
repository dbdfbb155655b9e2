"""DuckDB's types to the rows of a DuckLake catalog and back."""

from __future__ import annotations

import duckdb
import pytest

from ingestion_platform.resources.lake.columns import KEYWORDS, evolved, parsed, tree, type_text, walk
from ingestion_platform.resources.lake.contents import CatalogError, Column

EVERY_TYPE = """
    select true as b, 1::tinyint as i1, 2::smallint as i2, 3 as i4, 4::bigint as i8, 5::hugeint as i16,
        1::utinyint as u1, 2::usmallint as u2, 3::uinteger as u4, 4::ubigint as u8, 5::uhugeint as u16,
        1.5::float as f, 1.5::double as d, 1.5::decimal(38, 9) as m, 'x' as t, '{}'::json as j, uuid() as u, 'x'::blob as x,
        date '2026-01-02' as day, time '01:02' as clock, now() as zoned, localtimestamp as at, localtimestamp::timestamp_s as s,
        localtimestamp::timestamp_ms as ms, localtimestamp::timestamp_ns as ns, interval 1 day as span, current_time as tz,
        ['a'] as texts, [['{}'::json]] as twice, map {'a': {'x': 1}} as pairs,
        {'a': 1, 'B': [{'order': 1.5, 'with space': 'x'}], 'q"x': {'timestamp': date '2026-01-02', 'é': uuid()}} as record
"""


def described(select: str) -> list[Column]:
    with duckdb.connect() as engine:
        return [Column(row[0], row[1]) for row in engine.execute(f"describe {select}").fetchall()]


def test_every_type_comes_back_as_duckdb_describes_it() -> None:
    """Whoever compares the columns of a result with those of the catalog compares texts."""
    columns = described(EVERY_TYPE)
    nodes = evolved("events.hits", (), [parsed(column) for column in columns], 1)
    rows = [
        (node.column_id, node.name, node.type, parent.column_id if parent else None) for node, parent in walk(nodes)
    ]
    assert [Column(node.name, type_text(node)) for node in tree(rows)] == columns
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))


def test_names_that_duckdb_quotes_are_those_of_the_list() -> None:
    """The list is a copy: a release of DuckDB that has more of them fails here, not in somebody's field."""
    with duckdb.connect() as engine:
        found = engine.execute("select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'")
        assert {row[0] for row in found.fetchall()} == set(KEYWORDS)


@pytest.mark.parametrize(
    "kind",
    [
        "INTEGER[3]",
        "BIT",
        "ENUM('a', 'b')",
        "UNION(a INTEGER)",
        "STRUCT(a",
        "",
        'STRUCT("a INTEGER)',
        "INTEGER, INTEGER",
    ],
)
def test_a_type_that_a_lake_cannot_hold_is_refused(kind: str) -> None:
    """In one line that names the column, before a file of it is written."""
    with pytest.raises(CatalogError, match=r"cannot hold the column x of type .*; cast it") as refused:
        parsed(Column("x", kind))
    assert "\n" not in str(refused.value)


def change(before: str, after: str) -> list[tuple[str, str]]:
    """The ids and types after a column's change, or the refusal."""
    held = evolved("t", (), [parsed(Column("x", before))], 1)
    return [(f"{node.column_id}", node.type) for node, _ in walk(evolved("t", held, [parsed(Column("x", after))], 100))]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("INTEGER", "BIGINT"),
        ("BIGINT", "HUGEINT"),
        ("UINTEGER", "BIGINT"),
        ("UTINYINT", "UBIGINT"),
        ("FLOAT", "DOUBLE"),
        ("DECIMAL(10,2)", "DECIMAL(38,9)"),
    ],
)
def test_types_widen(before: str, after: str) -> None:
    """To such as hold every value exactly; the column keeps its id, in lists and structs as well."""
    (one,) = change(before, after)
    assert one[0] == "1"
    assert [column_id for column_id, _ in change(f"STRUCT(a {before}[])", f"STRUCT(a {after}[])")] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("BIGINT", "INTEGER"),
        ("BIGINT", "UBIGINT"),
        ("UBIGINT", "BIGINT"),
        ("BIGINT", "DOUBLE"),
        ("DOUBLE", "DECIMAL(38,9)"),
        ("DECIMAL(38,9)", "DECIMAL(38,10)"),
        ("DECIMAL(20,4)", "DECIMAL(38,2)"),
        ("VARCHAR", "JSON"),
        ("VARCHAR", "VARCHAR[]"),
        ("DATE", "TIMESTAMP"),
        ("STRUCT(a INTEGER, b INTEGER)", "STRUCT(a INTEGER)"),
        ("STRUCT(a INTEGER)", "STRUCT(b INTEGER, a INTEGER)"),
        ("MAP(VARCHAR, INTEGER)", "MAP(VARCHAR, VARCHAR)"),
    ],
)
def test_other_changes_are_refused(before: str, after: str) -> None:
    """A reader of an older file would lose something, or fail."""
    with pytest.raises(CatalogError, match="would change from"):
        change(before, after)
    with pytest.raises(CatalogError, match="would change from"):
        change(f"STRUCT(k {before})[]", f"STRUCT(k {after})[]")


def test_fields_are_added_at_the_end_at_any_depth() -> None:
    """The record of RAW.LOGS gains fields while its history stays; ids go on after the table's."""
    before, after = (
        "STRUCT(a INTEGER, b STRUCT(c VARCHAR)[])",
        "STRUCT(a BIGINT, b STRUCT(c VARCHAR, d UUID)[], e DATE)",
    )
    assert change(before, after) == [
        ("1", "struct"),
        ("2", "int64"),
        ("3", "list"),
        ("4", "struct"),
        ("5", "varchar"),
        ("100", "uuid"),
        ("101", "date"),
    ]
