"""The address that clients send to: the API's own, a domain of one's own, or CloudFront with a firewall in front.

Clients carry this address in pages, apps and tags, so it should outlive the API behind it: with a domain, replacing the
API changes no client. What clients know is protected like the data.

CloudFront is for one thing, a limit for each address (a web application firewall takes no HTTP API). It caches nothing.
It tells the collector each visitor's address (`CloudFront-Viewer-Address`; BEHIND_CLOUDFRONT makes the collector take it).
The API's own address stays open behind it, unknown but not secret, and the gateway's throttle holds there as well.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from .endpoint import Endpoint
from .names import Names
from .setting_groups import AddressSettings

# CloudFront and its firewall live in this region, whatever the stack's.
GLOBAL_REGION = "us-east-1"
# AWS's own policies, by their published ids: cache nothing; pass on all that the viewer sent but its Host (with which an API
# refuses the request), and, says its documentation, the headers in which CloudFront names the viewer.
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
ALL_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]


class PublicAddress(pulumi.ComponentResource):
    """`url`, the address of /collect, and `dns_target`, what the domain's record must point to where its zone is not
    ours ("" where there is nothing to do).
    """

    def __init__(
        self,
        name: str,
        names: Names,
        endpoint: Endpoint,
        settings: AddressSettings,
        protect: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("clickstream:aws:PublicAddress", name, None, opts)
        self._name, self._settings = name, settings
        self._inside = pulumi.ResourceOptions(parent=self)
        self._known_to_clients = pulumi.ResourceOptions(parent=self, protect=protect)

        host: pulumi.Input[str] = endpoint.api.api_endpoint.apply(lambda url: url.removeprefix("https://"))
        target: pulumi.Input[str] = ""
        if settings.cloud_front:
            distribution = self._distribution(names, host)
            host = target = distribution.domain_name
            zone_id = distribution.hosted_zone_id
        elif settings.domain_name:
            regional = self._regional_domain(endpoint).domain_name_configuration
            target, zone_id = regional.target_domain_name, regional.hosted_zone_id
        if settings.domain_name:
            host = settings.domain_name
            if settings.hosted_zone_id:
                self._record(settings.domain_name, settings.hosted_zone_id, target, zone_id)
                target = ""
        else:
            target = ""
        self.url = pulumi.Output.concat("https://", host, "/collect")
        self.dns_target = pulumi.Output.from_input(target)
        self.register_outputs({"url": self.url})

    def _regional_domain(self, endpoint: Endpoint) -> aws.apigatewayv2.DomainName:
        domain = aws.apigatewayv2.DomainName(
            f"{self._name}-domain",
            domain_name=self._settings.domain_name or "",
            domain_name_configuration={
                "certificate_arn": self._certificate(None),
                "endpoint_type": "REGIONAL",
                "security_policy": "TLS_1_2",
            },
            opts=self._known_to_clients,
        )
        aws.apigatewayv2.ApiMapping(
            f"{self._name}-mapping",
            api_id=endpoint.api.id,
            domain_name=domain.domain_name,
            stage=endpoint.stage.name,
            opts=self._inside,
        )
        return domain

    def _certificate(self, region: str | None) -> pulumi.Input[str]:
        """The given certificate; or one for the domain, which AWS issues once its record stands in our zone."""
        if self._settings.certificate_arn:
            return self._settings.certificate_arn
        certificate = aws.acm.Certificate(
            f"{self._name}-certificate",
            domain_name=self._settings.domain_name,
            validation_method="DNS",
            region=region,
            opts=self._inside,
        )
        proof = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            f"{self._name}-certificate-proof",
            zone_id=self._settings.hosted_zone_id or "",
            name=proof.resource_record_name,
            type=proof.resource_record_type,
            records=[proof.resource_record_value],
            ttl=300,
            opts=self._inside,
        )
        issued = aws.acm.CertificateValidation(
            f"{self._name}-certificate-issued",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            region=region,
            opts=self._inside,
        )
        return issued.certificate_arn

    def _record(self, domain: str, zone_id: str, target: pulumi.Input[str], target_zone_id: pulumi.Input[Any]) -> None:
        aws.route53.Record(
            f"{self._name}-record",
            zone_id=zone_id,
            name=domain,
            type="A",
            aliases=[{"name": target, "zone_id": target_zone_id, "evaluate_target_health": False}],
            opts=self._known_to_clients,
        )

    def _distribution(self, names: Names, origin: pulumi.Input[str]) -> aws.cloudfront.Distribution:
        firewall = aws.wafv2.WebAcl(
            f"{self._name}-firewall",
            name=names.prefix,
            scope="CLOUDFRONT",
            region=GLOBAL_REGION,
            default_action={"allow": {}},
            rules=[
                {
                    "name": "requests-of-one-address",
                    "priority": 0,
                    "action": {"block": {"custom_response": {"response_code": 429}}},
                    "statement": {
                        "rate_based_statement": {
                            "aggregate_key_type": "IP",
                            "limit": self._settings.requests_per_address,
                            "evaluation_window_sec": 300,
                        }
                    },
                    "visibility_config": _visible(f"{names.prefix}-address-limit"),
                }
            ],
            visibility_config=_visible(names.prefix),
            opts=self._inside,
        )
        domain = self._settings.domain_name
        certificate: Any = {"cloudfront_default_certificate": True}
        if domain:
            certificate = {
                "acm_certificate_arn": self._certificate(GLOBAL_REGION),
                "ssl_support_method": "sni-only",
                "minimum_protocol_version": "TLSv1.2_2021",
            }
        return aws.cloudfront.Distribution(
            f"{self._name}-distribution",
            comment=f"{names.prefix}: a limit for each address",
            enabled=True,
            is_ipv6_enabled=True,
            http_version="http2and3",
            aliases=[domain] if domain else [],
            origins=[
                {
                    "origin_id": "api",
                    "domain_name": origin,
                    "custom_origin_config": {
                        "http_port": 80,
                        "https_port": 443,
                        "origin_protocol_policy": "https-only",
                        "origin_ssl_protocols": ["TLSv1.2"],
                    },
                }
            ],
            default_cache_behavior={
                "target_origin_id": "api",
                "allowed_methods": ALL_METHODS,
                "cached_methods": ["GET", "HEAD"],
                # Not redirected: a POST would arrive as a GET, without its hit.
                "viewer_protocol_policy": "https-only",
                "cache_policy_id": CACHING_DISABLED,
                "origin_request_policy_id": ALL_VIEWER_EXCEPT_HOST,
            },
            restrictions={"geo_restriction": {"restriction_type": "none"}},
            viewer_certificate=certificate,
            web_acl_id=firewall.arn,
            opts=self._known_to_clients,
        )


def _visible(metric: str) -> Any:
    """Counted in CloudWatch; no sampled requests, which would hold addresses and query strings."""
    return {"cloudwatch_metrics_enabled": True, "metric_name": metric, "sampled_requests_enabled": False}
