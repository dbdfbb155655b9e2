"""Column lineage on the models' pages: what each column is made from stands with its description, and as Dagster's own metadata.

It is read out of the models' SQL once, by `prepare`, into a file beside the manifest; a code location without that file shows none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetKey,
    AssetSpec,
    TableColumn,
    TableColumnDep,
    TableColumnLineage,
    TableSchema,
    map_asset_specs,
)

from ingestion_platform.assets.keys import RAW_LOGS, USER_AGENTS
from ingestion_platform.assets.links import Asset
from ingestion_platform.assets.manifest import STAGING_SCHEMA, Models
from ingestion_platform.resources.dbt_project import MANIFEST
from ingestion_platform.resources.duckdb.tables import BAD_LINES
from ingestion_platform.resources.duckdb.tables import RAW_LOGS as RAW_TABLE
from ingestion_platform.resources.duckdb.tables import USER_AGENTS as AGENTS_TABLE

if TYPE_CHECKING:  # it brings sqlglot's optimizer, which loading the code location does not need
    from ingestion_platform.column_lineage import Column, Origins

Lineage = Mapping[str, Mapping[str, "Sequence[Column]"]]

_FILE = "column_lineage.json"
_SHOWN = 4
_SCHEMA, _LINEAGE = "dagster/column_schema", "dagster/column_lineage"


def keep_lineage(manifest: Path) -> None:
    """Read the lineage out of a manifest, and keep it beside that."""
    from ingestion_platform.column_lineage import read_origins

    tables = {table.name: [column.name for column in table.columns] for table in (RAW_TABLE, BAD_LINES, AGENTS_TABLE)}
    file = manifest.with_name(_FILE)
    made = json.loads(manifest.read_bytes())
    origins = read_origins(made["nodes"], tables, _kept(file), made["metadata"]["adapter_type"])
    file.write_text(json.dumps(origins, separators=(",", ":")))


def kept_lineage(manifest: Path = MANIFEST) -> Lineage:
    """The lineage that `prepare` kept, staging seen through; none where there is no file."""
    return column_lineage(_kept(manifest.with_name(_FILE)), STAGING_SCHEMA)


def column_lineage(origins: Mapping[str, Origins], seen_through: str) -> Lineage:
    """Where columns come from, without the models of the schema `seen_through`: what comes from their columns comes from where these do."""

    def ends(column: Column) -> set[Column]:
        table, name = column
        if not table.startswith(f"{seen_through}.") or table not in origins:
            return {(table, name)}
        return {end for origin in origins[table]["columns"].get(name, ()) for end in ends((origin[0], origin[1]))}

    return {
        model: {
            name: sorted({end for table, origin in of for end in ends((table, origin))})
            for name, of in held["columns"].items()
        }
        for model, held in origins.items()
        if not model.startswith(f"{seen_through}.")
    }


def _kept(file: Path) -> Mapping[str, Origins]:
    try:
        kept: Mapping[str, Origins] = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return kept


def with_lineage(assets: Sequence[Asset], models: Models, lineage: Lineage) -> list[Asset]:
    """`assets`, the columns of each model with what they are made from."""
    keys = {models.relations[name]: key for name, key in models.keys_by_name.items() if name in models.relations}
    keys |= {RAW_TABLE.name: RAW_LOGS, AGENTS_TABLE.name: USER_AGENTS}
    of_key = {keys[model]: columns for model, columns in lineage.items() if model in keys}

    def told(spec: AssetSpec) -> AssetSpec:
        schema = spec.metadata.get(_SCHEMA)
        if spec.key not in of_key or not isinstance(schema, TableSchema):
            return spec
        return spec.merge_attributes(metadata=_metadata(schema, of_key[spec.key], keys))

    return list(map_asset_specs(told, assets))


def _metadata(
    schema: TableSchema, columns: Mapping[str, Sequence[Column]], keys: Mapping[str, AssetKey]
) -> dict[str, Any]:
    deps = {
        name: [TableColumnDep(asset_key=keys[table], column_name=column) for table, column in origins if table in keys]
        for name, origins in columns.items()
    }
    shown = [_with_origins(column, columns.get(column.name, ())) for column in schema.columns]
    return {_SCHEMA: TableSchema(columns=shown), _LINEAGE: TableColumnLineage(deps_by_column=deps)}


def _with_origins(column: TableColumn, origins: Sequence[Column]) -> TableColumn:
    if not origins:
        return column
    # Raw rows last: a mart that reads them, too, does so for its margins.
    named = sorted(origins, key=lambda origin: origin[0].startswith("raw."))
    text = ", ".join(f"`{table}.{name}`" for table, name in named[:_SHOWN])
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    told = f"{column.description} From {text}{more}.".strip()
    return TableColumn(column.name, column.type, told, column.constraints, column.tags)
