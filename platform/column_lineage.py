"""Which columns each column of a model is made from, read out of the compiled SQL when the manifest is prepared.

In: the nodes of dbt's manifest, with `compiled_code`, and the columns of tables that Python fills. Out: by model and column, the columns
whose values it holds or is worked out from; what only filters or joins is not among them. Nothing is run: sqlglot parses, which takes
some seconds for all models, a fraction of one for those that changed, and never while a code location loads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from graphlib import TopologicalSorter
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from ingestion_platform.versions import digest

# What was read by another version of this is read again.
_READER = digest(Path(__file__).read_text(encoding="utf-8"), version("sqlglot"))

Column = tuple[str, str]
"""schema.name and the column's name."""


class Origins(TypedDict):
    """What one model's SQL says of its columns, and the digest of what that was read from."""

    digest: str
    columns: dict[str, list[Column]]


def read_origins(
    nodes: Mapping[str, Mapping[str, Any]],
    tables: Mapping[str, Sequence[str]],
    known: Mapping[str, Origins],
    engine: str = "duckdb",
) -> dict[str, Origins]:
    """Where each model's columns come from, by schema.name: one step back. `tables` are the columns, by schema.name, of those that no model
    makes; of models that did not change since, what is `known` holds. `engine` is dbt's name of it, and sqlglot's."""
    # Names are the same in capitals and small letters, on Snowflake as long as nobody quotes them.
    dialect = f"{engine}, normalization_strategy = case_insensitive"
    models = {
        f"{node['schema']}.{node['name']}".lower(): node for node in nodes.values() if node["resource_type"] == "model"
    }
    made_from = {
        name: [
            f"{nodes[parent]['schema']}.{nodes[parent]['name']}".lower()
            for parent in node["depends_on"]["nodes"]
            if parent in nodes
        ]
        for name, node in models.items()
    }
    columns = {name: list(held) for name, held in tables.items()}
    found: dict[str, Origins] = {}
    for name in TopologicalSorter(made_from).static_order():
        sql = models[name]["compiled_code"]
        key = digest(
            _READER, sql, *(f"{parent} {columns[parent]}" for parent in sorted(made_from[name])), f"{dict(tables)}"
        )
        if name in known and known[name]["digest"] == key:
            found[name] = known[name]
        else:
            found[name] = {"digest": key, "columns": _origins(models[name], columns, dialect)}
        columns[name] = list(found[name]["columns"])
    return found


def _origins(node: Mapping[str, Any], columns: Mapping[str, Sequence[str]], dialect: str) -> dict[str, list[Column]]:
    """Where a model's columns come from; unknown where sqlglot cannot read its SQL, which the warehouse may still run."""
    try:
        query = _Query(sqlglot.parse_one(node["compiled_code"], read=dialect), columns, dialect)
        return {column: query.origins(column) for column in query.columns}
    except SqlglotError:
        return {column: [] for column in node["columns"]}


def _name(table: exp.Table) -> str:
    return f"{table.db}.{table.name}".lower()


class _Query:
    """One model's SELECT."""

    def __init__(self, tree: exp.Expr, columns: Mapping[str, Sequence[str]], dialect: str) -> None:
        schema: dict[str, Any] = {}
        for table in tree.find_all(exp.Table):
            if (held := columns.get(_name(table))) is not None:
                by_schema = schema.setdefault(table.catalog, {}).setdefault(table.db, {})
                by_schema[table.name] = dict.fromkeys(held, "varchar")
        qualified = qualify(
            tree, dialect=dialect, schema=schema, validate_qualify_columns=False, quote_identifiers=False
        )
        scope = build_scope(qualified)
        assert scope is not None, "a model is a query"
        self._scope = scope
        self._known: dict[tuple[int, str], frozenset[Column]] = {}

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the result."""
        return _names(self._scope)

    def origins(self, column: str) -> list[Column]:
        """The columns of tables that `column` is made from."""
        return sorted(self._of_scope(self._scope, column))

    def _of_scope(self, scope: Scope, column: str) -> frozenset[Column]:
        key = (id(scope), column)
        if key not in self._known:
            self._known[key] = frozenset()  # a recursive query leads back to itself
            self._known[key] = frozenset(self._found(scope, column))
        return self._known[key]

    def _found(self, scope: Scope, column: str) -> Iterator[Column]:
        expression = scope.expression
        if isinstance(expression, exp.SetOperation):
            names = _names(scope)
            for part in scope.set_operation_scopes:
                own = _names(part)
                by_name = expression.args.get("by_name")
                yield from self._of_scope(part, column if by_name or column not in names else own[names.index(column)])
        elif isinstance(expression, exp.Query):
            for projection in expression.selects:
                if projection.alias_or_name == column:
                    yield from self._columns_in(projection, scope)
        else:  # unnested, or another function of tables: all of it is in each of its columns
            yield from self._columns_in(expression, scope)

    def _columns_in(self, expression: exp.Expr, scope: Scope) -> Iterator[Column]:
        """The columns of an expression; of a query within it those of its result, not what it filters by."""
        for node in expression.walk(prune=lambda node: isinstance(node, exp.Query)):
            if isinstance(node, exp.Query):
                for inner in scope.subquery_scopes:
                    if inner.expression is node.unnest():
                        for name in _names(inner):
                            yield from self._of_scope(inner, name)
            elif isinstance(node, exp.Column):
                source = _source(node.table, scope)
                if isinstance(source, exp.Table):
                    yield _name(source), node.name
                elif source is not None and source is not scope:
                    yield from self._of_scope(source, node.name)


def _names(scope: Scope) -> list[str]:
    query = scope.expression
    assert isinstance(query, exp.Query)
    return list(query.named_selects)


def _source(name: str, scope: Scope) -> exp.Table | Scope | None:
    """What a name stands for in a query or in one around it."""
    at: Scope | None = scope
    while at is not None:
        found = at.sources.get(name)
        if isinstance(found, exp.Table | Scope):
            return found
        at = at.parent
    return None
