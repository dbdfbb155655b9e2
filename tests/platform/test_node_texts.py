"""What the UI says of the models, their tests and the raw table."""

from __future__ import annotations

from collections import Counter

from dagster import AssetSpec

from ingestion_platform.assets.links import linked
from ingestion_platform.assets.manifest import Models
from ingestion_platform.assets.node_texts import MOST_SQL, check_description, check_names, description
from ingestion_platform.assets.raw_columns import COLUMNS
from ingestion_platform.resources.dbt_project import read_manifest
from ingestion_platform.resources.duckdb.tables import RAW_LOGS
from ingestion_platform.settings import PROJECT_DIR

MODELS = Models.of(read_manifest())
NODES = {node["name"]: node for node in MODELS.manifest["nodes"].values()}


def test_a_models_page_has_the_sql_that_runs() -> None:
    """`{{ overview('day') }}` told nobody anything; forty thousand letters take seconds to draw."""
    told = description(NODES["overview_1d"])
    assert told.startswith(NODES["overview_1d"]["description"])
    assert "{{" not in told and "memory" not in told and "count_active_sessions" in told and "```sql" in told
    long = description(NODES["sessions"])
    assert len(long) < MOST_SQL + 1_000 and "more characters: `models/events/sessions.sql`" in long
    assert description({"name": "x", "resource_type": "source"}) == "dbt source x"


def test_every_check_of_a_model_has_a_short_name_of_its_own() -> None:
    """dbt's names of up to 260 letters could not be told apart in a list; the long form is a click away."""
    keys = Counter(MODELS.test_keys.values())
    assert set(keys.values()) == {1}
    names = {
        node["name"]: MODELS.test_keys[node["unique_id"]].name
        for node in NODES.values()
        if node["resource_type"] == "test"
    }
    assert names["unique_logs_log_id"] == "unique_log_id"
    assert names["expression_is_true_overview_1d_pageviews_hits"] == "pageviews_at_most_hits"
    assert names["unique_combination_of_columns_sessions_event_date__session_id"] == "unique_combination"
    told = check_description(NODES["unique_combination_of_columns_sessions_event_date__session_id"])
    assert (
        "event_date, session_id" in told and "`unique_combination_of_columns_sessions_event_date__session_id`" in told
    )


def test_two_tests_that_would_have_one_name_keep_dbts() -> None:
    """Dagster refuses the whole code location for a name that stands twice."""
    test = {
        "resource_type": "test",
        "attached_node": "model.m",
        "test_metadata": {"name": "accepted_values", "kwargs": {"column_name": "c"}},
    }
    nodes = {
        name: {**test, "unique_id": name, "name": name} for name in ("accepted_values_m_c__a", "accepted_values_m_c__b")
    }
    other = {**test, "unique_id": "of_another", "name": "of_another", "attached_node": "model.n"}
    assert check_names({"nodes": {**nodes, "of_another": other}}) == {
        "accepted_values_m_c__a": "accepted_values_m_c__a",
        "accepted_values_m_c__b": "accepted_values_m_c__b",
        "of_another": "accepted_values_c",
    }  # fmt: skip


def test_the_raw_tables_columns_are_all_shown() -> None:
    """Eight of them were, and the UI took a part of a description for HTML."""
    assert [column.name for column in COLUMNS.columns] == [column.name for column in RAW_LOGS.columns]
    assert all(column.description and "<" not in column.description for column in COLUMNS.columns)


def test_links_lead_to_the_web_where_the_repository_is_there() -> None:
    """A container's own files are nobody's to open."""
    spec = AssetSpec(["stats", "overview_1d"], group_name="stats")
    for url, first in (
        ("https://git.example/main/", "https://git.example/main/dbt_models/models/stats/overview_1d.sql"),
        (None, f"{PROJECT_DIR}/dbt_models/models/stats/overview_1d.sql"),
    ):
        (found,) = linked([spec], MODELS, url)
        assert isinstance(found, AssetSpec)
        references = found.metadata["dagster/code_references"].code_references
        assert references[0].source == first
        assert references[-1].source.endswith("/docs/checks.md")
