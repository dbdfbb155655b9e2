"""A Lambda function with what every function here has: its own role, its own log group, JSON logs, Arm, current
Python.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from . import policies
from .package import package

RUNTIME = "python3.13"


class Function(pulumi.ComponentResource):
    """`function`, `role` and `name`. `allowed` are the policy documents of what it may do besides writing its log."""

    def __init__(
        self,
        name: str,
        *,
        function_name: str,
        handler: str,
        environment: Mapping[str, pulumi.Input[str]],
        allowed: Mapping[str, pulumi.Input[str]],
        timeout_seconds: int,
        memory_mebibytes: int,
        log_retention_days: int,
        reserved_concurrency: int | None = None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("clickstream:aws:Function", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        self.timeout_seconds = timeout_seconds

        log_group = aws.cloudwatch.LogGroup(
            f"{name}-log", name=f"/aws/lambda/{function_name}", retention_in_days=log_retention_days, opts=inside
        )
        self.role = aws.iam.Role(
            f"{name}-role",
            name=function_name,
            assume_role_policy=json.dumps(policies.lambda_trust()),
            opts=inside,
        )
        allowed = {"may-log": policies.document(policies.write_log, log_group_arn=log_group.arn), **allowed}
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
            handler=handler,
            code=package(),
            timeout=timeout_seconds,
            memory_size=memory_mebibytes,
            # -1 is AWS's word for "none reserved".
            reserved_concurrent_executions=-1 if reserved_concurrency is None else reserved_concurrency,
            environment={"variables": environment},
            logging_config={
                "log_format": "JSON",
                "log_group": log_group.name,
                "application_log_level": "INFO",
                "system_log_level": "WARN",
            },
            # The first request must not meet a role that cannot deliver yet.
            opts=pulumi.ResourceOptions(parent=self, depends_on=granted),
        )
        self.register_outputs({"function": self.function.name})
