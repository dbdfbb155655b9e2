"""Who sees what on Snowflake, beyond the table of grants: what the open schemas hold, and as whom Pulumi works."""

from __future__ import annotations

import re

import yaml
from infra_harness import INFRA, ROOT, Graph, run_program

# Whatever names a visitor, or repeats what one sent.
PERSONAL = re.compile(
    r"(client|user|visitor|session|event|transaction|log|request)_id$|ip$|address|agent|payload|body|raw|referr?er"
    r"|location|page_|hostname|url|headers"
)


def test_schemas_that_read_sees_name_no_visitor() -> None:
    """READ said to see no raw hits and saw EVENTS.LOGS, with ids, addresses and bodies. A statistic that holds such a
    column belongs elsewhere.
    """
    columns: set[tuple[str, str]] = set()
    for file in (ROOT / "dbt_models" / "models" / "stats").glob("*.yml"):
        for model in yaml.safe_load(file.read_text()).get("models", []):
            columns |= {(model["name"], column["name"]) for column in model.get("columns", [])}
    assert len(columns) > 20
    assert {column for column in columns if PERSONAL.search(column[1])} == set()
    seen = yaml.safe_load((ROOT / "dbt_models" / "models" / "events" / "logs.yml").read_text())
    names = [column["name"] for column in seen["models"][0]["columns"]]
    assert {"user_id", "user_ip", "req_body"} <= {name for name in names if PERSONAL.search(name)}, (
        "the pattern is blind"
    )


def test_pulumi_works_with_the_role_that_the_bootstrap_makes(production: Graph) -> None:
    """ACCOUNTADMIN in a deployment's hands, or in CI's, is the whole account. The narrow role makes what it owns."""
    sql = re.sub(r"--.*", "", (INFRA / "snowflake_bootstrap.sql").read_text())
    role = production.named("snowflake", "pulumi:providers:snowflake").inputs["role"]
    assert f"create role if not exists {role};" in sql
    privileges = set(re.findall(rf"grant (.+) on account to role {role};", sql))
    assert privileges == {
        "create database", "create warehouse", "create role", "create user", "create integration", "create network policy",
    }  # fmt: skip
    assert re.search(r"network_policy = \w+", sql)
    assert not re.search(rf"grant role (?!{role})", sql), "the user holds another role too"


def test_limits_are_declared_only_by_who_may(production: Graph, staging: Graph) -> None:
    """Only ACCOUNTADMIN makes resource monitors: with the narrow role they would fail the deployment half-way."""
    assert production.of("ResourceMonitor") == []
    assert production.exports["snowflakeAccountSql"].startswith("use role ACCOUNTADMIN;\n")
    quotas = {node.inputs["name"]: node.inputs["creditQuota"] for node in staging.of("ResourceMonitor")}
    assert quotas == {"CLICKSTREAM_STAGING_CREDITS": 10, "CLICKSTREAM_STAGING_READERS_CREDITS": 5}
    assert staging.exports["snowflakeAccountSql"] == ""


def test_readers_cannot_use_up_the_platforms_credits() -> None:
    """One warehouse and one monitor for all: an analyst's query stopped loading for the month."""
    graph = run_program(config={"clickstream:readerMonthlyCredits": "7", "clickstream:readerWarehouseSize": "MEDIUM"})
    assert graph.named("compute-readers").inputs["warehouseSize"] == "MEDIUM"
    assert (
        "alter resource monitor CLICKSTREAM_PRODUCTION_READERS_CREDITS set credit_quota = 7 "
        in graph.exports["snowflakeAccountSql"]
    )
    on = {
        node.inputs["accountRoleName"]: node.inputs["onAccountObject"]["objectName"]
        for node in graph.of("GrantPrivilegesToAccountRole")
        if node.inputs.get("onAccountObject", {}).get("objectType") == "WAREHOUSE"
    }
    assert on["CLICKSTREAM_PRODUCTION_READ"] == graph.exports["readersWarehouse"]
    assert on["CLICKSTREAM_PRODUCTION_WRITE"] == graph.named("compute-platform").inputs["name"]
