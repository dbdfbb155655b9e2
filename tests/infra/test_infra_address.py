"""What clients send to, and which version of the collector answers: settings and what they make."""

from __future__ import annotations

import pytest
from infra_harness import FRONTED, OWN_DOMAIN, Graph, run_program
from test_infra_settings import rejection

PREFIX = "clickstream:"


def test_own_domain_is_what_clients_are_told() -> None:
    """The API's id in every page is lost with the API; a domain of one's own outlives it."""
    graph = run_program(config=OWN_DOMAIN)
    assert graph.exports["endpoint"] == "https://collect.shop.example/collect"
    assert "COLLECT_URL=https://collect.shop.example/collect\n" in graph.exports["env"]
    record = graph.named("address-record").inputs
    (alias,) = record["aliases"]
    assert (record["name"], alias["name"]) == ("collect.shop.example", "d-1.execute-api.eu-central-1.amazonaws.com")
    assert graph.exports["dnsTarget"] == "", "its record stands already"
    issued = graph.named("address-domain").inputs["domainNameConfiguration"]["certificateArn"]
    assert graph.named("address-certificate-issued").urn in graph.leads_to(graph.named("address-domain"))
    assert ":eu-central-1:" in issued


def test_zone_elsewhere_is_told_what_to_point_to() -> None:
    """Where DNS is somebody else's, the certificate is given and the record is made by hand."""
    arn = "arn:aws:acm:eu-central-1:444455556666:certificate/ours"
    graph = run_program(config={f"{PREFIX}domainName": "collect.shop.example", f"{PREFIX}certificateArn": arn})
    assert graph.exports["dnsTarget"] == "d-1.execute-api.eu-central-1.amazonaws.com"
    assert graph.of("Record") == []


def test_cloudfront_limits_each_address() -> None:
    """One throttle for all lets a single client use up everybody's; the firewall counts by address."""
    graph = run_program(config={**FRONTED, f"{PREFIX}requestsPerAddress": "500"})
    assert graph.exports["endpoint"] == "https://collect.shop.example/collect"
    (alias,) = graph.named("address-record").inputs["aliases"]
    assert alias["name"] == "d111.cloudfront.net"
    (rule,) = graph.named("address-firewall").inputs["rules"]
    assert rule["statement"]["rateBasedStatement"]["limit"] == 500


def test_cloudfront_needs_no_domain() -> None:
    """Its own name serves."""
    graph = run_program(config={f"{PREFIX}cloudFront": "true"})
    assert graph.exports["endpoint"] == "https://d111.cloudfront.net/collect"
    assert graph.named("address-distribution").inputs["viewerCertificate"] == {"cloudfrontDefaultCertificate": True}


@pytest.mark.parametrize("stack", ["production", "staging"])
def test_neither_is_there_unless_asked_for(stack: str, request: pytest.FixtureRequest) -> None:
    """Optional means absent: no distribution, no firewall, no domain."""
    graph: Graph = request.getfixturevalue(stack)
    assert [node.name for type_ in ("Distribution", "WebAcl", "DomainName", "Record") for node in graph.of(type_)] == []
    assert graph.exports["endpoint"] == "https://a1b2c3.execute-api.eu-central-1.amazonaws.com/collect"


@pytest.mark.parametrize(
    ("config", "key", "says"),
    [
        ({"domainName": "collect.shop.example"}, "domainName", "either hostedZoneId"),
        ({"hostedZoneId": "Z123"}, "domainName", "is missing"),
        ({"domainName": "https://collect.shop.example"}, "domainName", "lower case"),
        (
            {
                "cloudFront": "true",
                "domainName": "c.shop.example",
                "certificateArn": "arn:aws:acm:eu-central-1:444455556666:certificate/ours",
            },
            "certificateArn",
            "us-east-1 only",
        ),
        ({"requestsPerAddress": "9"}, "requestsPerAddress", "from 10"),
        ({"canaryPercent": "10"}, "canaryPercent", "collectorVersion"),
        ({"collectorVersion": "latest"}, "collectorVersion", "number"),
    ],
)
def test_contradictions_are_refused(config: dict[str, str], key: str, says: str) -> None:
    """A domain without a certificate fails half-way."""
    line = rejection(config={f"{PREFIX}{name}": value for name, value in config.items()})
    assert line.startswith(f"{PREFIX}{key} ") and says in line


# -- releases


def live(config: dict[str, str]) -> dict[str, object]:
    graph = run_program(config={f"{PREFIX}{name}": value for name, value in config.items()})
    alias = graph.named("collector-live").inputs
    return {"serves": alias["functionVersion"], "beside": alias.get("routingConfig")}


def test_newest_version_serves_unless_told_otherwise() -> None:
    """`pulumi up` of changed code is a release, as it was before there were versions. The mock's newest is 7."""
    assert live({}) == {"serves": "7", "beside": None}


def test_canary_gives_the_newest_version_a_share() -> None:
    """A tenth of the calls meets the new code; the rest stays with the version that is named."""
    beside = {"additionalVersionWeights": {"7": 0.1}}
    assert live({"collectorVersion": "6", "canaryPercent": "10"}) == {"serves": "6", "beside": beside}


def test_rollback_is_naming_an_older_version() -> None:
    """Nothing is built: all calls go to the version that is named, none to the newest."""
    assert live({"collectorVersion": "5"}) == {"serves": "5", "beside": None}


def test_canary_of_the_version_that_serves_is_none() -> None:
    """Lambda refuses a share for the version that has the rest: a second `pulumi up` without new code would fail."""
    assert live({"collectorVersion": "7", "canaryPercent": "10"}) == {"serves": "7", "beside": None}
