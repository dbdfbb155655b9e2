"""Columns as DuckDB writes their types, and as DuckLake keeps them: a row a column and a row a nested field, below its parent.

A struct's fields are its children, a list has one called `element`, a map has `key` and `value`. A table may gain columns and fields
at the end, and types may widen to such as hold every value of the old one exactly; nothing else, so that older files stay readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ingestion_platform.resources.lake.contents import CatalogError, Column

_SCALARS = {
    "BOOLEAN": "boolean",
    "TINYINT": "int8",
    "SMALLINT": "int16",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "HUGEINT": "int128",
    "UTINYINT": "uint8",
    "USMALLINT": "uint16",
    "UINTEGER": "uint32",
    "UBIGINT": "uint64",
    "UHUGEINT": "uint128",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "DATE": "date",
    "TIME": "time",
    "TIME WITH TIME ZONE": "timetz",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp_s",
    "TIMESTAMP_MS": "timestamp_ms",
    "TIMESTAMP_NS": "timestamp_ns",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "INTERVAL": "interval",
    "VARCHAR": "varchar",
    "JSON": "json",
    "UUID": "uuid",
    "BLOB": "blob",
}
_TEXTS = {ours: duckdb for duckdb, ours in _SCALARS.items()}
_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|[^\s"(),\[\]]+|[(),\[\]])')
# What DuckDB 2.0 puts into quotes as the name of a field (duckdb_keywords() but for the unreserved ones).
_WORDS = """
    all analyse analyze and anti any array as asc asof asymmetric at authorization between bigint binary bit boolean both by case
    cast char character check coalesce collate collation column columns concurrently constraint create cross dec decimal default
    deferrable desc describe distinct do else end except exists extract false fetch float for foreign freeze from full generated glob
    group grouping grouping_id having ilike in initially inner inout int integer intersect interval into is isnull join lambda lateral
    leading left like limit map national natural nchar none not notnull null nullif numeric offset on only or order out outer overlaps
    overlay pivot pivot_longer pivot_wider placing position positional precision primary qualify real references returning right row
    select semi setof show similar smallint some struct substring summarize symmetric table tablesample then time timestamp to trailing
    treat trim true try_cast tuple union unique unpack unpivot using values varchar variadic verbose when where window with
    xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
"""
KEYWORDS = frozenset(_WORDS.split())


@dataclass(frozen=True)
class Node:
    """A column or a nested field: its name, DuckLake's type, its children, and its id once it stands in the catalog."""

    name: str
    type: str
    children: tuple[Node, ...] = ()
    column_id: int = 0


def parsed(column: Column) -> Node:
    """The column as a tree. Raises CatalogError for a type that a lake cannot hold."""
    tokens = _TOKEN.findall(column.type)
    try:
        if _TOKEN.sub("", column.type).strip():
            raise ValueError
        node = _type(column.name, tokens)
        if tokens:
            raise ValueError
    except (ValueError, IndexError, KeyError):
        raise CatalogError(
            f"a lake cannot hold the column {column.name} of type {column.type}; cast it to another"
        ) from None
    return node


def _type(name: str, tokens: list[str]) -> Node:
    """Take a type from the front of `tokens`."""
    word = tokens.pop(0)
    if word in ("STRUCT", "MAP"):
        _take(tokens, "(")
        children: list[Node] = []
        while not children or tokens[0] == ",":
            if children:
                _take(tokens, ",")
            field = _unquoted(tokens.pop(0)) if word == "STRUCT" else ("key", "value")[len(children)]
            children.append(_type(field, tokens))
        _take(tokens, ")")
        node = Node(name, word.lower(), tuple(children))
    elif word == "DECIMAL":
        _take(tokens, "(")
        precision = int(tokens.pop(0))
        _take(tokens, ",")
        node = Node(name, f"decimal({precision},{int(tokens.pop(0))})")
        _take(tokens, ")")
    else:
        while tokens and tokens[0] in ("WITH", "TIME", "ZONE"):
            word += f" {tokens.pop(0)}"
        node = Node(name, _SCALARS[word])
    while tokens and tokens[0] == "[":
        _take(tokens, "[")
        # An array of a fixed length has a number here, and no place in a lake.
        _take(tokens, "]")
        node = Node(name, "list", (replace(node, name="element"),))
    return node


def _take(tokens: list[str], wanted: str) -> None:
    if tokens.pop(0) != wanted:
        raise ValueError(wanted)


def _unquoted(token: str) -> str:
    return token[1:-1].replace('""', '"') if token.startswith('"') else token


def _quoted(name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.lower() not in KEYWORDS
    return name if plain else '"{}"'.format(name.replace('"', '""'))


def type_text(node: Node) -> str:
    """The node's type as DuckDB's DESCRIBE gives it."""
    if node.type == "struct":
        return f"STRUCT({', '.join(f'{_quoted(child.name)} {type_text(child)}' for child in node.children)})"
    if node.type == "map":
        return f"MAP({', '.join(map(type_text, node.children))})"
    if node.type == "list":
        return f"{type_text(node.children[0])}[]"
    return _TEXTS.get(node.type) or node.type.upper()


def tree(rows: Iterable[tuple[int, str, str, int | None]]) -> tuple[Node, ...]:
    """The columns that rows (column_id, column_name, column_type, parent_column), in the catalog's order, stand for."""
    below: dict[int | None, list[tuple[int, str, str]]] = {}
    for column_id, name, kind, parent in rows:
        below.setdefault(parent, []).append((column_id, name, kind))

    def children(parent: int | None) -> tuple[Node, ...]:
        return tuple(
            Node(name, kind, children(column_id), column_id) for column_id, name, kind in below.get(parent, ())
        )

    return children(None)


def walk(nodes: Sequence[Node], parent: Node | None = None) -> Iterator[tuple[Node, Node | None]]:
    """Each node with its parent, parents first."""
    for node in nodes:
        yield node, parent
        yield from walk(node.children, node)


def evolved(table: str, held: Sequence[Node], wanted: Sequence[Node], next_id: int) -> tuple[Node, ...]:
    """The `wanted` columns with the ids of those that are `held`, and with new ones from `next_id` on. Raises CatalogError."""
    ids = iter(range(next_id, next_id + sum(1 for _ in walk(wanted))))

    def follow(held: Sequence[Node], wanted: Sequence[Node], where: str, may_grow: bool) -> tuple[Node, ...]:
        names = [node.name for node in wanted]
        if [node.name for node in held] != names[: len(held)] or (len(names) > len(held) and not may_grow):
            raise CatalogError(
                f"{table}: {where} would change from ({', '.join(node.name for node in held)}) to ({', '.join(names)}); "
                f"what a lake holds can only gain columns at its end: rename the table, or make the lake anew"
            )
        result = []
        for i, node in enumerate(wanted):
            before = held[i] if i < len(held) else None
            if before and before.type != node.type and not _widens(before.type, node.type):
                raise CatalogError(
                    f"{table}: {node.name} would change from {type_text(before)} to {type_text(node)}, which does not hold "
                    f"all that the lake has; rename the column, or make the lake anew"
                )
            own_id = before.column_id if before else next(ids)
            result.append(
                replace(
                    node,
                    column_id=own_id,
                    children=follow(
                        before.children if before else (),
                        node.children,
                        f"the fields of {node.name}",
                        before is None or node.type == "struct",
                    ),
                )
            )
        return tuple(result)

    return follow(held, wanted, "its columns", True)


def _widens(before: str, after: str) -> bool:
    """Whether `after` holds each value of `before` exactly."""
    if (before, after) == ("float32", "float64"):
        return True
    old, new = _integer(before), _integer(after)
    if old and new:
        return new[0] >= old[0] and new[1] >= old[1]
    digits = [tuple(map(int, re.findall(r"\d+", kind))) for kind in (before, after) if kind.startswith("decimal")]
    if len(digits) == 2:
        (precision, scale), (wider, finer) = digits
        return finer >= scale and wider - finer >= precision - scale
    return False


def _integer(kind: str) -> tuple[int, int] | None:
    """Bits below zero (none where there is no sign) and above it."""
    match = re.fullmatch(r"(u?)int(\d+)", kind)
    if not match:
        return None
    bits = int(match[2])
    return (0, bits) if match[1] else (bits - 1, bits - 1)
