"""The front door: an HTTP API whose routes all lead to the collector function.

Closed by default: only the collector's routes exist, browsers may only send from the allowed origins, requests are
throttled, and the function accepts calls from these routes alone. The gateway answers preflights itself. The access
log names neither addresses nor query strings: a pixel's query is the hit, and hits are kept in one place only.
"""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from .alarms import Metric
from .function import Function
from .names import Names
from .setting_groups import EndpointSettings

SEGMENT_CALLS = ("track", "page", "screen", "identify", "group", "alias")
ROUTES = (
    ("GET", "/collect"),
    ("HEAD", "/collect"),
    ("POST", "/collect"),
    *((method, path) for path in ("/j/collect", "/r/collect") for method in ("GET", "HEAD", "POST")),
    ("POST", "/batch"),
    # GA4, by gtag and by its Measurement Protocol
    ("GET", "/g/collect"),
    ("POST", "/g/collect"),
    ("POST", "/mp/collect"),
    ("POST", "/debug/mp/collect"),
    # Segment: a call by its name or, as its browser client writes it, by its first letter
    *(
        ("POST", f"/v1/{call}")
        for call in (*SEGMENT_CALLS, *(call[0] for call in SEGMENT_CALLS), "batch", "b", "import")
    ),
    *(("GET", f"/v1/pixel/{call}") for call in SEGMENT_CALLS),
    ("GET", "/health"),
    ("GET", "/robots.txt"),
)
ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "latencyMs": "$context.responseLatency",
    "integrationError": "$context.integrationErrorMessage",
}


class Endpoint(pulumi.ComponentResource):
    """`api`, `stage` and `throttled`, the metric of requests answered with 429."""

    def __init__(
        self,
        name: str,
        names: Names,
        collector: Function,
        settings: EndpointSettings,
        log_retention_days: int,
        protect: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("clickstream:aws:Endpoint", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)

        self.api = aws.apigatewayv2.Api(
            name,
            name=names.prefix,
            protocol_type="HTTP",
            cors_configuration={
                "allow_origins": list(settings.allowed_origins),
                "allow_methods": ["GET", "HEAD", "POST"],
                # The last two are those of Segment's and RudderStack's clients.
                "allow_headers": ["content-type", "content-encoding", "authorization", "anonymousid"],
                # What a script needs of an answer: when to try again, and under which id the hit is kept.
                "expose_headers": ["retry-after", "x-event-id"],
                # Beacons are sent with credentials, and browsers refuse the answer without this.
                "allow_credentials": True,
                "max_age": 86_400,
            },
            # Its id is in the address of every client that has no domain in between.
            opts=pulumi.ResourceOptions(parent=self, protect=protect),
        )
        integration = aws.apigatewayv2.Integration(
            f"{name}-collector",
            api_id=self.api.id,
            integration_type="AWS_PROXY",
            integration_uri=collector.invoke_arn,
            payload_format_version="2.0",
            timeout_milliseconds=(collector.timeout_seconds + 1) * 1000,
            opts=inside,
        )
        routes = [self._route(name, method, path, integration, collector) for method, path in ROUTES]
        log_group = aws.cloudwatch.LogGroup(
            f"{name}-access-log",
            name=f"/aws/apigateway/{names.prefix}",
            retention_in_days=log_retention_days,
            opts=inside,
        )
        self.stage = aws.apigatewayv2.Stage(
            f"{name}-stage",
            api_id=self.api.id,
            name="$default",
            auto_deploy=True,
            default_route_settings={
                "throttling_rate_limit": settings.throttle_rate,
                "throttling_burst_limit": settings.throttle_burst,
                "detailed_metrics_enabled": True,
            },
            access_log_settings={"destination_arn": log_group.arn, "format": json.dumps(ACCESS_LOG)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=routes),
        )
        # The gateway's own 4xx count holds refused hits as well, which are the clients' and are recorded.
        self.throttled = Metric(names.prefix, "Throttled", {})
        aws.cloudwatch.LogMetricFilter(
            f"{name}-throttled",
            name="throttled",
            log_group_name=log_group.name,
            pattern='{ $.status = "429" }',
            metric_transformation={
                "namespace": self.throttled.namespace,
                "name": self.throttled.name,
                "value": "1",
                "unit": "Count",
            },
            opts=inside,
        )
        self.register_outputs({"api": self.api.id})

    def _route(
        self, name: str, method: str, path: str, integration: aws.apigatewayv2.Integration, collector: Function
    ) -> aws.apigatewayv2.Route:
        """A route, and the function's leave for exactly this method and path."""
        inside = pulumi.ResourceOptions(parent=self)
        label = f"{name}-{method.lower()}-{path.strip('/').replace('.', '-')}"
        aws.lambda_.Permission(
            f"{label}-may-invoke",
            action="lambda:InvokeFunction",
            function=collector.function.name,
            qualifier=collector.alias.name if collector.alias else None,
            principal="apigateway.amazonaws.com",
            source_arn=pulumi.Output.concat(self.api.execution_arn, f"/*/{method}{path}"),
            opts=inside,
        )
        return aws.apigatewayv2.Route(
            label,
            api_id=self.api.id,
            route_key=f"{method} {path}",
            target=pulumi.Output.concat("integrations/", integration.id),
            opts=inside,
        )
