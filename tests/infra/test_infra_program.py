"""The whole program under mocks: what it declares, in which order, with what protection, and what it gives back."""

from __future__ import annotations

import re
from collections.abc import Callable

import infra_access_checks
import infra_address_checks
import infra_alarms
import infra_checks
import infra_path_checks
import infra_snowflake_checks
import pytest
from infra_harness import FRONTED, OWN_DOMAIN, ROOT, UNKNOWN, Graph, run_program
from infra_shape import node_problems, shape_problems

from collector.intake import process_request
from collector.settings import Settings
from collector.web import Request

MODULES = (
    infra_address_checks,
    infra_alarms,
    infra_checks,
    infra_path_checks,
    infra_access_checks,
    infra_snowflake_checks,
)
STACKS = ["production", "staging", "own_domain", "fronted"]
CHECKS: dict[str, Callable[[Graph], list[str]]] = {
    name: check
    for module in MODULES
    for name, check in vars(module).items()
    if name.endswith("_problems") and name != "protection_problems"
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("stack", STACKS)
def test_program_has_no_problem(check: str, stack: str, request: pytest.FixtureRequest) -> None:
    """Both example stacks pass every check, and production with each kind of address; what each check protects is said
    in its docstring.
    """
    assert CHECKS[check](request.getfixturevalue(stack)) == []


@pytest.mark.parametrize(("stack", "protected"), [("production", True), ("staging", False)])
def test_data_is_protected_unless_the_stack_says_otherwise(
    stack: str, protected: bool, request: pytest.FixtureRequest
) -> None:
    """A `pulumi destroy` of production stops at the bucket, the database and the raw tables; staging can be thrown
    away.
    """
    assert infra_checks.protection_problems(request.getfixturevalue(stack), protected) == []


@pytest.mark.parametrize("stack", STACKS)
def test_inputs_have_the_shape_of_the_sdk(stack: str, request: pytest.FixtureRequest) -> None:
    """The mocks take any nested key and any scalar: misspelt or mistyped inputs would first fail on `pulumi up`."""
    assert shape_problems(request.getfixturevalue(stack)) == []


def test_shape_check_sees_what_the_mocks_accept(production: Graph) -> None:
    """Junk that the mocks took in silence: buffer_size for buffering_size, a word for a number, a bool where 2.x wants
    "true".
    """
    stream = production.named("delivery", "FirehoseDeliveryStream")
    target = stream.inputs["extendedS3Configuration"]
    assert node_problems(stream, {**stream.inputs, "extendedS3Configuration": {**target, "bufferSize": 5}})
    assert node_problems(stream, {**stream.inputs, "extendedS3Configuration": {**target, "bufferingSize": "five"}})
    schema = production.named("warehouse-raw")
    assert node_problems(schema, {**schema.inputs, "withManagedAccess": True})
    assert node_problems(schema, {"name": "RAW"})


def test_first_preview_needs_nothing_that_only_a_deployment_knows(production: Graph) -> None:
    """No `apply` may break, and no resource may be missing, when every computed value is still unknown."""
    preview = run_program("production", preview=True)
    assert sorted(preview.nodes) == sorted(production.nodes)
    assert preview.exports["endpoint"] == UNKNOWN
    assert infra_checks.edge_problems(preview) == []


def test_first_preview_of_an_address_needs_nothing_either(own_domain: Graph, fronted: Graph) -> None:
    """Neither certificate, nor proof, nor distribution is known then."""
    for graph, config in ((own_domain, OWN_DOMAIN), (fronted, FRONTED)):
        assert sorted(run_program("production", config=config, preview=True).nodes) == sorted(graph.nodes)


def test_every_collector_route_stands_in_the_collector() -> None:
    """The routes that the check expects are those the collector answers, not only those the program declares."""
    for route in infra_path_checks.COLLECTOR_ROUTES:
        method, path = route.split()
        request = Request(method, path, "", {}, b"", "collect.example", None)
        assert process_request(request, Settings(), 1000, 1001).answer().status not in (404, 405), route


def test_env_block_names_this_stack(production: Graph) -> None:
    """The block is appended to the platform's `.env` as it is: right names, production, no secret (export_problems)."""
    lines = dict(line.split("=", 1) for line in production.exports["env"].splitlines())
    assert lines["INGEST_ENV"] == "production"
    assert lines["ARCHIVE_BUCKET"] == production.exports["bucket"]
    assert lines["COLLECT_URL"] == production.exports["endpoint"]
    assert lines["SNOWFLAKE_ROLE"] == production.exports["roles"]["write"]
    assert lines["SNOWFLAKE_DATABASE"] == production.exports["database"]


@pytest.mark.parametrize("name", infra_checks.ENV_NAMES)
def test_every_name_of_the_env_block_is_read(name: str) -> None:
    """A name that nothing reads looks like a setting and does nothing. AWS_REGION is read by boto3 too."""
    sources = [
        file
        for folder in ("platform", "collector", "simulations", "dbt_models", "deploy")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in (".py", ".yml", ".yaml") and "target" not in file.parts
    ]
    assert any(re.search(rf"\b{name}\b", file.read_text()) for file in sources)


def test_settings_reach_their_resources(staging: Graph, production: Graph) -> None:
    """Buffering, throttling, retention, concurrency and origins come from the stack's file, not from constants."""
    small, large = (
        graph.named("delivery", "FirehoseDeliveryStream").inputs["extendedS3Configuration"]
        for graph in (staging, production)
    )
    assert (small["bufferingSize"], small["bufferingInterval"]) == (16, 60)
    assert (large["bufferingSize"], large["bufferingInterval"]) == (128, 300)
    collectors = [graph.named("collector", "aws:lambda/function:Function").inputs for graph in (staging, production)]
    assert [given["reservedConcurrentExecutions"] for given in collectors] == [-1, 200]
    assert (
        collectors[0]["environment"]["variables"]["ALLOWED_ORIGINS"]
        == "https://staging.shop.example,http://localhost:8000"
    )
    assert staging.named("endpoint-stage").inputs["defaultRouteSettings"]["throttlingRateLimit"] == 100
    assert {group.inputs["retentionInDays"] for group in staging.of("LogGroup")} == {7}
    # A healthy hit is at most one buffer interval old; the alarm leaves room for one more and a slow minute.
    late = [graph.named("alerts-delivery-late").inputs["threshold"] for graph in (staging, production)]
    assert late == [420, 900]
