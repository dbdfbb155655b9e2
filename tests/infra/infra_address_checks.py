"""The checks on what clients send to and what serves them: functions from a recorded graph to a list of problems."""

from __future__ import annotations

from infra_checks import find
from infra_harness import Graph

from collector.settings import CloudSettings


def address_problems(graph: Graph) -> list[str]:
    """A domain, or CloudFront in front, that is open to old TLS, keeps answers, turns hits away, or that no client is
    told of.
    """
    problems = []
    host = graph.exports["endpoint"].removeprefix("https://").removesuffix("/collect")
    names = {node.inputs["domainName"] for node in graph.of("DomainName")}
    for node in graph.of("Distribution"):
        names |= set(node.inputs.get("aliases") or [])
    if names and host not in names:
        problems.append(f"clients are told {host}, which is none of {sorted(names)}")
    for node in graph.of("DomainName"):
        if node.inputs["domainNameConfiguration"]["securityPolicy"] != "TLS_1_2":
            problems.append(f"{node.name} takes old TLS")
        mapped = [mapping.inputs for mapping in graph.of("ApiMapping")]
        stage = find(graph, "endpoint-stage").inputs
        if [(one["apiId"], one["stage"]) for one in mapped] != [(stage["apiId"], stage["name"])]:
            problems.append(f"{node.name} leads nowhere")
    variables = find(graph, "collector aws:lambda/function:Function").inputs["environment"]["variables"]
    if CloudSettings.from_environment(variables).behind_cloudfront != bool(graph.of("Distribution")):
        problems.append("the collector takes the caller's address from where it is not")
    return problems + (_of_distribution(graph) if graph.of("Distribution") else [])


def _of_distribution(graph: Graph) -> list[str]:
    given = find(graph, "address-distribution").inputs
    behavior, (origin,) = given["defaultCacheBehavior"], given["origins"]
    problems = []
    if behavior["cachePolicyId"] != "4135ea2d-6df8-44a3-9df3-4b5a84be39ad":  # Managed-CachingDisabled
        problems.append("answers are cached: a repeated pixel would reach nobody")
    if behavior["originRequestPolicyId"] != "b689b0a8-53d0-40ab-baf2-68738e2966ac":  # Managed-AllViewerExceptHostHeader
        problems.append("query strings, headers and the viewer's address are dropped on the way")
    if behavior["viewerProtocolPolicy"] != "https-only" or not {"POST", "OPTIONS", "HEAD"} <= set(
        behavior["allowedMethods"]
    ):
        problems.append("a POST arrives as something else, or not at all")
    if (
        origin["customOriginConfig"]["originProtocolPolicy"] != "https-only"
        or origin["domainName"] != "a1b2c3.execute-api.eu-central-1.amazonaws.com"
    ):
        problems.append(f"the origin is {origin}")
    certificate = given["viewerCertificate"]
    if given["aliases"] and (
        certificate.get("minimumProtocolVersion") != "TLSv1.2_2021"
        or ":us-east-1:" not in certificate["acmCertificateArn"]
    ):
        problems.append(f"the certificate does not fit: {certificate}")
    firewalls = {firewall.inputs["scope"]: firewall for firewall in graph.of("WebAcl")}
    if "CLOUDFRONT" not in firewalls or not given["webAclId"].endswith(
        f"/{firewalls['CLOUDFRONT'].inputs['name']}/made"
    ):
        return [*problems, "no firewall stands in front"]
    firewall = firewalls["CLOUDFRONT"].inputs
    limits = [
        rule["statement"]["rateBasedStatement"] for rule in firewall["rules"]
        if "block" in rule["action"] and rule["action"]["block"]["customResponse"]["responseCode"] == 429
    ]  # fmt: skip
    if [limit["aggregateKeyType"] for limit in limits] != ["IP"] or firewall["region"] != "us-east-1":
        problems.append("no limit for each address")
    watched = [firewall["visibilityConfig"], *(rule["visibilityConfig"] for rule in firewall["rules"])]
    if any(one["sampledRequestsEnabled"] for one in watched):
        problems.append("the firewall keeps samples of requests, with addresses and hits")
    return problems


def release_problems(graph: Graph) -> list[str]:
    """A gateway that calls the newest code past its alias, or a function that keeps no version to roll back to."""
    alias = find(graph, "collector-live").inputs
    function = find(graph, "collector aws:lambda/function:Function").inputs
    problems = []
    if function.get("publish") is not True:
        problems.append("no version is kept to roll back to")
    integration = find(graph, "endpoint-collector").inputs
    if f":function:{function['name']}:{alias['name']}/" not in integration["integrationUri"]:
        problems.append("the gateway calls past the alias")
    problems += [
        f"{node.name} does not let the alias be called"
        for node in graph.of("Permission")
        if node.inputs.get("qualifier") != alias["name"]
    ]
    return problems
