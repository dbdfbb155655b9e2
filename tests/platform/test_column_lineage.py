"""What each column is made from, as read out of the models' SQL."""

from __future__ import annotations

from typing import Any

from dagster import AssetKey, AssetSpec

from ingestion_platform.assets.lineage import column_lineage, kept_lineage, with_lineage
from ingestion_platform.assets.manifest import Models
from ingestion_platform.column_lineage import Origins, read_origins
from ingestion_platform.resources.dbt_project import read_manifest

MODELS = Models.of(read_manifest())
RAW = {"raw.logs": ["log_id", "at", "data"]}

STAGING = "select log_id, data ->> 'tid' as tid, data ->> 'cid' as cid from raw.logs"
MART = """
with hits as (select *, row_number() over (partition by cid order by log_id) as nth from staging.hits where cid is not null),
visits as (select tid, count(*) as hits, max(case when nth = 1 then cid end) as first_cid from hits group by tid),
both as (select tid, hits, first_cid from visits union all by name select 'none' as first_cid, tid, 0 as hits from staging.hits)
select both.*, (select max(log_id) from staging.hits as other where other.tid = both.tid) as newest from both
"""


def _node(schema: str, name: str, sql: str, *parents: str) -> dict[str, Any]:
    return {
        "resource_type": "model", "schema": schema, "name": name, "compiled_code": sql, "depends_on": {"nodes": [*parents]}, "columns": {"tid": {}},
    }  # fmt: skip


def test_columns_are_followed_through_staging_and_queries_in_queries() -> None:
    """A column holds what it is worked out from; what only filters is no part of it, and a count of rows is of none."""
    nodes = {"m": _node("events", "visits", MART, "s"), "s": _node("staging", "hits", STAGING)}
    found = column_lineage(read_origins(nodes, RAW, {}), "staging")
    assert found == {
        "events.visits": {
            "tid": [("raw.logs", "data")],
            "hits": [],
            "first_cid": [("raw.logs", "data"), ("raw.logs", "log_id")],
            "newest": [("raw.logs", "log_id")],
        }
    }


def test_snowflakes_sql_is_read_as_its_own() -> None:
    """There, names without quotes are in capitals, and JSON has a colon."""
    sql = "select tid, count(*) as hits, max(LOG_ID) as newest from CLICKS.staging.hits group by tid"
    staging = "select log_id, data:tid::varchar as TID from CLICKS.raw.logs"
    nodes = {"m": _node("events", "visits", sql, "s"), "s": _node("STAGING", "hits", staging)}
    assert column_lineage(read_origins(nodes, RAW, {}, "snowflake"), "staging") == {
        "events.visits": {"tid": [("raw.logs", "data")], "hits": [], "newest": [("raw.logs", "log_id")]}
    }


def test_what_did_not_change_is_not_read_again() -> None:
    """`make setup` after an edit must not take the seconds of all models; a model whose parent changed its columns is read again."""
    nodes = {"m": _node("events", "visits", MART, "s"), "s": _node("staging", "hits", STAGING)}
    known: dict[str, Origins] = read_origins(nodes, RAW, {})
    marked: dict[str, Origins] = {name: {"digest": held["digest"], "columns": {}} for name, held in known.items()}
    assert read_origins(nodes, RAW, {"events.visits": marked["events.visits"]})["events.visits"]["columns"] == {}
    nodes["s"] = _node("staging", "hits", STAGING.replace("log_id,", "log_id, at,"))
    assert read_origins(nodes, RAW, {"events.visits": marked["events.visits"]})["events.visits"]["columns"] != {}


def test_sql_that_cannot_be_read_has_no_lineage_and_stops_nobody() -> None:
    """`make setup` must go on for who writes a model in words that only the warehouse knows."""
    nodes = {
        "m": _node("events", "visits", "select tid from staging.hits", "s"),
        "s": _node("staging", "hits", "select ((( from"),
    }
    assert column_lineage(read_origins(nodes, RAW, {}), "staging") == {"events.visits": {"tid": []}}


def test_every_column_of_every_model_is_followed() -> None:
    """SQL that sqlglot reads otherwise than the warehouse would show in the names."""
    lineage = kept_lineage()
    declared = {
        MODELS.relations[name]: {*MODELS.column_types(name)} for name in MODELS.relations if MODELS.column_types(name)
    }
    made = {model: {*columns} for model, columns in lineage.items()}
    assert {
        model: columns ^ made[model] for model, columns in declared.items() if model in made and columns != made[model]
    } == {}
    assert len(made) > 20
    assert ("events.purchases", "transaction_revenue") in lineage["stats.overview_1d"]["transaction_revenue"]
    assert lineage["events.logs"]["tracking_id"] == [("raw.logs", "tracking_id")]


def test_a_columns_description_says_where_it_comes_from() -> None:
    """Dagster's own view of column lineage is no part of its open-source UI."""
    key = AssetKey(["stats", "overview_1d"])
    node = next(node for node in MODELS.manifest["nodes"].values() if node["name"] == "overview_1d")
    spec = AssetSpec(key, metadata=dict(MODELS.translator.get_metadata(node)))
    (found,) = with_lineage([spec], MODELS, kept_lineage())
    assert isinstance(found, AssetSpec)
    columns = {column.name: column.description for column in found.metadata["dagster/column_schema"].columns}
    assert columns["count_active_clients"].endswith("From `events.logs.client_id`, `events.logs.is_bot`.")
    (dep,) = found.metadata["dagster/column_lineage"].deps_by_column["tracking_id"]
    assert (dep.asset_key, dep.column_name) == (AssetKey(["events", "logs"]), "tracking_id")
    assert with_lineage([spec], MODELS, {}) == [spec], "a code location that was prepared before has no file of it"
