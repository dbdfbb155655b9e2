"""Every AWS policy of the program, as plain functions from ARNs to documents.

No function here knows Pulumi's outputs, so a test can call them with strings; `document()` is the one bridge. Rules
that hold throughout: actions are spelled out, resources are exact ARNs (a `*` only inside our own object keys and log
streams). Trust names one service or user; Firehose, Snowflake and the alarms are bound to an account or an external id
as well. Lambda is not: a function can only be given a role of its own account, and Lambda names no source when it takes one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pulumi

from collector.archive_keys import DATA_PREFIX, ERROR_PREFIX, MARKER_KEY, RECOLLECTED

from .names import STEP_LOGS_PREFIX

Policy = dict[str, Any]


def document(policy: Callable[..., Policy], **arns: pulumi.Input[str]) -> pulumi.Output[str]:
    """The JSON text of `policy(**arns)` once all its inputs are known."""
    return pulumi.Output.all(**arns).apply(lambda known: json.dumps(policy(**known)))


def _policy(*statements: Policy) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(actions: list[str], resources: list[str], **condition: dict[str, str]) -> Policy:
    statement: Policy = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def _trust(principal: dict[str, str], **condition: dict[str, str]) -> Policy:
    statement: Policy = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    return _policy({**statement, "Condition": condition} if condition else statement)


def _tls_only(actions: str, resources: list[str]) -> Policy:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


# -- who may take a role
# ------------------------------------------------------------------------------------------------
def lambda_trust() -> Policy:
    return _trust({"Service": "lambda.amazonaws.com"})


def firehose_trust(account_id: str) -> Policy:
    """Firehose, working for this account only."""
    return _trust({"Service": "firehose.amazonaws.com"}, StringEquals={"sts:ExternalId": account_id})


def snowflake_trust(iam_user_arn: str, external_id: str) -> Policy:
    """The one IAM user that Snowflake made for our integration, with the external id we chose."""
    return _trust({"AWS": iam_user_arn}, StringEquals={"sts:ExternalId": external_id})


# -- what a role may do
# -------------------------------------------------------------------------------------------------
def deliver_hits(bucket_arn: str, log_stream_arn: str) -> Policy:
    """Firehose: the S3 calls its documentation asks for, on our two prefixes, and lines in its own error log."""
    return _policy(
        _allow(["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"], [bucket_arn]),
        _allow(
            ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            [f"{bucket_arn}/{DATA_PREFIX}*", f"{bucket_arn}/{ERROR_PREFIX}*"],
        ),
        _allow(["logs:PutLogEvents"], [log_stream_arn]),
    )


def write_log(log_group_arn: str) -> Policy:
    """A function's own log group; creating groups is not allowed, so retention cannot be lost."""
    return _policy(_allow(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:*"]))


def put_hits(stream_arn: str) -> Policy:
    return _policy(_allow(["firehose:PutRecordBatch"], [stream_arn]))


def park_hits(queue_arn: str) -> Policy:
    return _policy(_allow(["sqs:SendMessage"], [queue_arn]))


def redeliver_parked_hits(queue_arn: str) -> Policy:
    """What Lambda's queue poller needs, under the redrive function's role."""
    return _policy(_allow(["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], [queue_arn]))


def read_archive(bucket_arn: str) -> Policy:
    """List and read delivered objects: Snowflake's integration, and (with `use_archive`) whatever runs the platform."""
    return _policy(
        _allow(["s3:GetBucketLocation"], [bucket_arn]),
        _allow(["s3:ListBucket"], [bucket_arn], StringLike={"s3:prefix": f"{DATA_PREFIX}*"}),
        _allow(["s3:GetObject", "s3:GetObjectVersion"], [f"{bucket_arn}/{DATA_PREFIX}*"]),
    )


def use_archive(bucket_arn: str) -> Policy:
    """What runs the platform reads the archive, finds or puts the archive's marker beside it, and appends corrections."""
    reading = read_archive(bucket_arn)["Statement"]
    return _policy(
        *reading,
        _allow(["s3:ListBucket"], [bucket_arn], StringEquals={"s3:prefix": MARKER_KEY}),
        _allow(["s3:GetObject", "s3:PutObject"], [f"{bucket_arn}/{MARKER_KEY}"]),
        _allow(["s3:PutObject"], [f"{bucket_arn}/{DATA_PREFIX}*/{RECOLLECTED}-*"]),
    )


def keep_step_logs(bucket_arn: str) -> Policy:
    """What Dagster's S3 log manager calls: write, show and delete what steps printed."""
    return _policy(
        _allow(["s3:ListBucket"], [bucket_arn], StringLike={"s3:prefix": f"{STEP_LOGS_PREFIX}*"}),
        _allow(
            ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            [f"{bucket_arn}/{STEP_LOGS_PREFIX}*"],
        ),
    )


# -- what a resource lets others do
# -------------------------------------------------------------------------------------
def bucket_over_tls(bucket_arn: str) -> Policy:
    return _policy(_tls_only("s3:*", [bucket_arn, f"{bucket_arn}/*"]))


def queue_over_tls(queue_arn: str) -> Policy:
    return _policy(_tls_only("sqs:*", [queue_arn]))


def alarms_may_publish(topic_arn: str, account_id: str) -> Policy:
    """CloudWatch and Budgets, working for this account, may publish; nobody else is named."""
    return _policy(
        *(
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
            }
            for service in ("cloudwatch.amazonaws.com", "budgets.amazonaws.com")
        )
    )
