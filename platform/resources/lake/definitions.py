"""Schemas, tables with their columns, and views: what of a change decides how rows are read, not which."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from ingestion_platform.resources.lake.columns import Node, evolved, parsed, walk
from ingestion_platform.resources.lake.contents import CatalogError, Table
from ingestion_platform.resources.lake.draft import Draft
from ingestion_platform.resources.lake.reading import Shapes


def table_id_of(draft: Draft, name: str) -> int | None:
    """The id of a table (schema.table), if there is one."""
    found = draft.connection.execute(
        """
        select t.table_id
        from ducklake_table as t
        join ducklake_schema as s using (schema_id)
        where s.schema_name = ? and t.table_name = ? and t.end_snapshot is null
        """,
        _split(name),
    ).fetchone()
    return found[0] if found else None


def define_table(draft: Draft, table: Table) -> None:
    """Create the table, or bring it to these columns. Raises CatalogError for what is neither; the same columns change nothing."""
    wanted = tuple(parsed(column) for column in table.columns)
    table_id = table_id_of(draft, table.name)
    if table_id is None:
        _create_table(draft, table, wanted)
        return
    if partition_of(draft, table_id)[2] != table.partition_column:
        raise CatalogError(f"{table.name}: its partition column would change; rename the table, or make the lake anew")
    held = Shapes(draft.connection, table_id).nodes(draft.number)
    (next_id,) = draft.connection.execute(
        "select max(column_id) + 1 from ducklake_column where table_id = ?", [table_id]
    ).fetchone()
    after = evolved(table.name, held, wanted, next_id)
    if after != held:
        _set_columns(draft, table_id, held, after)
        if not draft.has_made(_created("table", table.name)):
            draft.made(f"altered_table:{table_id}")


def put_view(draft: Draft, name: str, sql: str) -> None:
    """Create the view (schema.view), or give it another text."""
    held = _view(draft, name)
    if held and held[1] == sql:
        return
    drop_view(draft, name)
    schema, view = _split(name)
    schema_id = _schema_id(draft, schema)
    draft.schema_changes()
    draft.connection.execute(
        "insert into ducklake_view values (?, ?, ?, null, ?, ?, 'duckdb', ?, '')",
        [draft.catalog_id(), f"{uuid4()}", draft.number, schema_id, view, sql],
    )
    draft.made(_created("view", name))


def drop_view(draft: Draft, name: str) -> None:
    """Remove the view, if there is one."""
    held = _view(draft, name)
    if held is None:
        return
    view_id, _, begun = held
    draft.schema_changes()
    if begun == draft.number:
        draft.connection.execute("delete from ducklake_view where view_id = ?", [view_id])
        draft.unmade(_created("view", name))
        return
    draft.connection.execute("update ducklake_view set end_snapshot = ? where view_id = ?", [draft.number, view_id])
    draft.made(f"dropped_view:{view_id}")


def _create_table(draft: Draft, table: Table, wanted: Sequence[Node]) -> None:
    schema, name = _split(table.name)
    schema_id, table_id = _schema_id(draft, schema), draft.catalog_id()
    draft.connection.execute(
        "insert into ducklake_table values (?, ?, ?, null, ?, ?, ?, 1)",
        [table_id, f"{uuid4()}", draft.number, schema_id, name, f"{name}/"],
    )
    draft.connection.execute("insert into ducklake_table_stats values (?, 0, 0, 0)", [table_id])
    columns = evolved(table.name, (), wanted, 1)
    _set_columns(draft, table_id, (), columns)
    draft.made(_created("table", table.name))
    if table.partition_column is not None:
        ids = {node.name: node.column_id for node in columns}
        if table.partition_column not in ids:
            raise CatalogError(f"{table.name}: it has no column {table.partition_column} to be partitioned by")
        partition_id = draft.catalog_id()
        draft.connection.execute(
            "insert into ducklake_partition_info values (?, ?, ?, null)", [partition_id, table_id, draft.number]
        )
        draft.connection.execute(
            "insert into ducklake_partition_column values (?, ?, 0, ?, 'identity')",
            [partition_id, table_id, ids[table.partition_column]],
        )


def _set_columns(draft: Draft, table_id: int, held: Sequence[Node], after: Sequence[Node]) -> None:
    """End the rows of columns whose type has changed, add theirs and those of new ones, and a mapping for the files to come."""
    types = {node.column_id: node.type for node, _ in walk(held)}
    for node, parent in walk(after):
        if types.get(node.column_id) == node.type:
            continue
        # A row that began with this snapshot has never been read.
        draft.connection.execute(
            "delete from ducklake_column where table_id = ? and column_id = ? and begin_snapshot = ?",
            [table_id, node.column_id, draft.number],
        )
        draft.connection.execute(
            "update ducklake_column set end_snapshot = ? where table_id = ? and column_id = ? and end_snapshot is null",
            [draft.number, table_id, node.column_id],
        )
        draft.connection.execute(
            "insert into ducklake_column values (?, ?, null, ?, ?, ?, ?, null, 'NULL', 1, ?, ?, 'duckdb')",
            [
                node.column_id,
                draft.number,
                table_id,
                node.column_id,
                node.name,
                node.type,
                parent.column_id if parent else None,
                "" if node.children else "literal",
            ],
        )
    _set_mapping(draft, table_id, after)
    version = draft.schema_changes()
    draft.connection.execute(
        "delete from ducklake_schema_versions where begin_snapshot = ? and table_id = ?", [draft.number, table_id]
    )
    draft.connection.execute("insert into ducklake_schema_versions values (?, ?, ?)", [draft.number, version, table_id])


def _set_mapping(draft: Draft, table_id: int, columns: Sequence[Node]) -> None:
    """How files that are added from now on name their columns. What a list has is called `list` in Parquet."""
    mapping_id = draft.file_id()
    draft.connection.execute("insert into ducklake_column_mapping values (?, ?, 'map_by_name')", [mapping_id, table_id])
    places = {node.column_id: place for place, (node, _) in enumerate(walk(columns))}
    draft.connection.executemany(
        "insert into ducklake_name_mapping values (?, ?, ?, ?, ?, 0)",
        [
            (
                mapping_id,
                place,
                "list" if parent and parent.type == "list" else node.name,
                node.column_id,
                places[parent.column_id] if parent else None,
            )
            for place, (node, parent) in enumerate(walk(columns))
        ],
    )


def _schema_id(draft: Draft, name: str) -> int:
    """The id of the schema, which is made where it is missing."""
    found = draft.connection.execute(
        "select schema_id from ducklake_schema where schema_name = ? and end_snapshot is null", [name]
    ).fetchone()
    if found:
        return int(found[0])
    schema_id = draft.catalog_id()
    draft.schema_changes()
    draft.connection.execute(
        "insert into ducklake_schema values (?, ?, ?, null, ?, ?, 1)",
        [schema_id, f"{uuid4()}", draft.number, name, f"{name}/"],
    )
    draft.made(f"created_schema:{_quoted(name)}")
    return schema_id


def partition_of(draft: Draft, table_id: int) -> tuple[int | None, int | None, str | None]:
    """Id of the table's partitioning, id and name of its column."""
    found: tuple[int, int, str] | None = draft.connection.execute(
        """
        select p.partition_id, c.column_id, c.column_name
        from ducklake_partition_info as p
        join ducklake_partition_column as k using (partition_id)
        join ducklake_column as c on c.table_id = p.table_id and c.column_id = k.column_id and c.end_snapshot is null
        where p.table_id = ? and p.end_snapshot is null
        """,
        [table_id],
    ).fetchone()
    return found or (None, None, None)


def _view(draft: Draft, name: str) -> tuple[int, str, int] | None:
    """Id, text and first snapshot of the view that is current."""
    found: tuple[int, str, int] | None = draft.connection.execute(
        """
        select v.view_id, v.sql, v.begin_snapshot
        from ducklake_view as v
        join ducklake_schema as s using (schema_id)
        where s.schema_name = ? and v.view_name = ? and v.end_snapshot is null
        """,
        _split(name),
    ).fetchone()
    return found


def _split(name: str) -> tuple[str, str]:
    schema, dot, relation = name.partition(".")
    if not (schema and dot and relation):
        raise CatalogError(f"{name} is no name of a table or view in a schema (schema.name)")
    return schema, relation


def _created(kind: str, name: str) -> str:
    return f"created_{kind}:{'.'.join(map(_quoted, _split(name)))}"


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
