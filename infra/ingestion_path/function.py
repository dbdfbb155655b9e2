"""A Lambda function with what every function here has: its own role, its own log group, JSON logs, Arm, current
Python. One that serves clients is released: callers reach it by the alias `live`, not by its newest code.

A release names the version that serves and the share of calls that the newest one gets (a canary). Without a name the
newest serves all. Rolling back is naming an older version, which Lambda keeps: nothing is built or uploaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from . import policies
from .names import Names
from .package import package
from .setting_groups import Release

RUNTIME = "python3.13"
LIVE = "live"


@dataclass(frozen=True)
class FunctionArgs:
    """What a function runs and may do. `allowed` are the policy documents of what it may do besides writing its log:
    nothing, if nothing is said. `release` None: callers get the newest code.
    """

    handler: str
    environment: Mapping[str, pulumi.Input[str]]
    timeout_seconds: int
    memory_mebibytes: int
    log_retention_days: int
    allowed: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    reserved_concurrency: int | None = None
    release: Release | None = None

    def __post_init__(self) -> None:
        # Lambda's own limits, and the front door's: an HTTP API waits 30 seconds.
        if not 1 <= self.timeout_seconds <= 900 or (self.release and self.timeout_seconds > 29):
            raise ValueError(f"{self.handler}: a time limit of {self.timeout_seconds} s does not fit")


class Function(pulumi.ComponentResource):
    """`function`, `role`, and how to call it: `invoke_arn`, and `alias` (None without a release)."""

    def __init__(self, name: str, names: Names, args: FunctionArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("clickstream:aws:Function", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        function_name = f"{names.prefix}-{name}"
        self.timeout_seconds = args.timeout_seconds

        log_group = aws.cloudwatch.LogGroup(
            f"{name}-log", name=f"/aws/lambda/{function_name}", retention_in_days=args.log_retention_days, opts=inside
        )
        self.role = aws.iam.Role(
            f"{name}-role",
            name=function_name,
            assume_role_policy=json.dumps(policies.lambda_trust()),
            opts=inside,
        )
        allowed = {"may-log": policies.document(policies.write_log, log_group_arn=log_group.arn), **args.allowed}
        granted = [
            aws.iam.RolePolicy(f"{name}-{what}", name=what, role=self.role.id, policy=text, opts=inside)
            for what, text in allowed.items()
        ]
        self.function = aws.lambda_.Function(
            name,
            name=function_name,
            role=self.role.arn,
            runtime=RUNTIME,
            architectures=["arm64"],
            handler=args.handler,
            code=package(),
            timeout=args.timeout_seconds,
            memory_size=args.memory_mebibytes,
            # -1 is AWS's word for "none reserved".
            reserved_concurrent_executions=-1 if args.reserved_concurrency is None else args.reserved_concurrency,
            environment={"variables": args.environment},
            publish=args.release is not None,
            logging_config={
                "log_format": "JSON",
                "log_group": log_group.name,
                "application_log_level": "INFO",
                "system_log_level": "WARN",
            },
            # The first request must not meet a role that cannot deliver yet.
            opts=pulumi.ResourceOptions(parent=self, depends_on=granted),
        )
        self.alias = None if args.release is None else self._live(name, args.release)
        self.invoke_arn = self.function.invoke_arn if self.alias is None else self.alias.invoke_arn
        self.register_outputs({"function": self.function.name})

    def _live(self, name: str, release: Release) -> aws.lambda_.Alias:
        newest = self.function.version
        return aws.lambda_.Alias(
            f"{name}-{LIVE}",
            name=LIVE,
            function_name=self.function.name,
            function_version=release.version or newest,
            routing_config=newest.apply(lambda version: _routing(version, release)),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _routing(newest: str, release: Release) -> Any:
    """The newest version's share; none where it serves anyway (Lambda refuses a share for the version that serves)."""
    if not release.canary_percent or newest == release.version:
        return None
    return {"additional_version_weights": {newest: release.canary_percent / 100}}
