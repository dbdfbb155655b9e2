"""Do the checks notice? A defect is put into a copy of the program, the copy is run, and the check that guards it
must speak.

Each row: the file, what stands there, what a careless edit would make of it, and the check. A row whose text is no
longer in the program fails too, so the list cannot go stale in silence.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from infra_access_checks import lint_problems, policy_problems, resource_policy_problems, trust_problems
from infra_address_checks import address_problems, release_problems
from infra_alarms import alarm_problems, alarm_state_problems, dashboard_problems
from infra_checks import (
    edge_problems,
    export_problems,
    protection_problems,
    secrecy_problems,
    structure_problems,
    tag_problems,
)
from infra_harness import FRONTED, INFRA, OWN_DOMAIN, ROOT, Graph, run_program
from infra_path_checks import (
    announcement_problems,
    archive_problems,
    delivery_problems,
    environment_problems,
    fallback_problems,
    function_problems,
    route_problems,
    step_log_problems,
)
from infra_shape import shape_problems
from infra_snowflake_checks import (
    compute_problems,
    grant_problems,
    retention_problems,
    snowpipe_problems,
    user_problems,
)


def unprotected(graph: Graph) -> list[str]:
    return protection_problems(graph, True)


class Mutation(NamedTuple):
    """One careless edit and the check that must notice it."""

    name: str
    file: str
    old: str
    new: str
    check: Callable[[Graph], list[str]]
    config: dict[str, str] = {}  # noqa: RUF012  (a NamedTuple's default; nobody changes it)


MUTATIONS = [
    # address and release
    Mutation("API unprotected", "ingestion_path/endpoint.py", "protect=protect)", "protect=False)", unprotected),
    Mutation("domain unprotected", "ingestion_path/public_address.py", "protect=protect)", "protect=False)", unprotected, OWN_DOMAIN),
    Mutation("pixels cached", "ingestion_path/public_address.py", '"cache_policy_id": CACHING_DISABLED', '"cache_policy_id": "658327ea-f89d-4fab-a63d-7e88639e58f6"', address_problems, FRONTED),
    Mutation("query strings dropped", "ingestion_path/public_address.py", '"origin_request_policy_id": ALL_VIEWER_EXCEPT_HOST', '"origin_request_policy_id": "acba4595-bd28-49b8-b9fe-13317c0390fa"', address_problems, FRONTED),
    Mutation("CloudFront's address for everybody's", "__main__.py", '"yes" if config.address.cloud_front else "no"', '"no"', address_problems, FRONTED),
    Mutation("address as the client says", "__main__.py", '"yes" if config.address.cloud_front else "no"', '"yes"', address_problems),
    Mutation("POST redirected to GET", "ingestion_path/public_address.py", '"viewer_protocol_policy": "https-only"', '"viewer_protocol_policy": "redirect-to-https"', address_problems, FRONTED),
    Mutation("no firewall", "ingestion_path/public_address.py", "web_acl_id=firewall.arn,", 'web_acl_id="",', address_problems, FRONTED),
    Mutation("counts without blocking", "ingestion_path/public_address.py", '{"block": {"custom_response": {"response_code": 429}}}', '{"count": {}}', address_problems, FRONTED),
    Mutation("one limit for all", "ingestion_path/public_address.py", '"aggregate_key_type": "IP"', '"aggregate_key_type": "CONSTANT"', address_problems, FRONTED),
    Mutation("firewall keeps hits", "ingestion_path/public_address.py", '"sampled_requests_enabled": False', '"sampled_requests_enabled": True', address_problems, FRONTED),
    Mutation("certificate of the wrong region", "ingestion_path/public_address.py", "self._certificate(GLOBAL_REGION)", "self._certificate(None)", address_problems, FRONTED),
    Mutation("old TLS", "ingestion_path/public_address.py", '"TLS_1_2"', '"TLS_1_0"', address_problems, OWN_DOMAIN),
    Mutation("clients told the API's id", "ingestion_path/public_address.py", "host = settings.domain_name", 'host = "a1b2c3.example"', address_problems, OWN_DOMAIN),
    Mutation("past the alias", "ingestion_path/endpoint.py", "integration_uri=collector.invoke_arn", "integration_uri=collector.function.invoke_arn", release_problems),
    Mutation("alias not to be called", "ingestion_path/endpoint.py", "qualifier=collector.alias.name if collector.alias else None,", "", release_problems),
    Mutation("nothing to roll back to", "ingestion_path/function.py", "publish=args.release is not None", "publish=False", release_problems),
    # environment and code
    Mutation("variable renamed", "__main__.py", '"FALLBACK_QUEUE_URL"', '"FALLBACK_QUEUE"', environment_problems),
    Mutation("parks in the wrong queue", "__main__.py", "fallback.queue.url", "fallback.stuck.url", environment_problems),
    Mutation("value the collector refuses", "__main__.py", "config.collector.ip_mode", '"hash"', environment_problems),
    Mutation("redrive without its stream", "ingestion_path/fallback.py", '"DELIVERY_STREAM"', '"STREAM"', environment_problems),
    Mutation("Intel", "ingestion_path/function.py", '"arm64"', '"x86_64"', function_problems),
    Mutation("log kept for ever", "ingestion_path/function.py", "retention_in_days=args.log_retention_days", "skip_destroy=False", function_problems),
    # policies
    Mutation("any stream", "ingestion_path/policies.py", '["firehose:PutRecordBatch"], [stream_arn]', '["firehose:PutRecordBatch"], ["*"]', policy_problems),
    Mutation("any call on the stream", "ingestion_path/policies.py", '"firehose:PutRecordBatch"', '"firehose:*"', policy_problems),
    Mutation("reads the whole bucket", "ingestion_path/policies.py", '["s3:GetObject", "s3:GetObjectVersion"], [f"{bucket_arn}/{DATA_PREFIX}*"]', '["s3:GetObject", "s3:GetObjectVersion"], [f"{bucket_arn}/*"]', policy_problems),
    Mutation("lists the whole bucket", "ingestion_path/policies.py", 'StringLike={"s3:prefix": f"{DATA_PREFIX}*"}', 'StringLike={"s3:prefix": "*"}', policy_problems),
    Mutation("reads by a prefix alone", "ingestion_path/policies.py", 'f"{log_group_arn}:*"', 'f"{log_group_arn}*"', policy_problems),
    Mutation("cannot park", "__main__.py", '"may-park-hits": policies.document(policies.park_hits, queue_arn=fallback.queue.arn),', "", policy_problems),
    Mutation("misspelt action", "ingestion_path/policies.py", '"s3:AbortMultipartUpload"', '"s3:AbortMultiPartUploads"', lint_problems),
    Mutation("anybody's Firehose", "ingestion_path/policies.py", ', StringEquals={"sts:ExternalId": account_id})', ")", trust_problems),
    Mutation("any Snowflake user", "ingestion_path/policies.py", '_trust({"AWS": iam_user_arn}', '_trust({"AWS": "*"}', trust_problems),
    Mutation("plain HTTP", "ingestion_path/policies.py", '{"aws:SecureTransport": "false"}', '{"aws:SecureTransport": "no"}', resource_policy_problems),
    Mutation("anybody's alarms", "ingestion_path/policies.py", '"Condition": {"StringEquals": {"aws:SourceAccount": account_id}},', "", resource_policy_problems),
    # order
    Mutation("stream before its policy", "ingestion_path/delivery.py", "depends_on=[may_deliver]", "depends_on=[]", edge_problems),
    Mutation("function before its policies", "ingestion_path/function.py", "depends_on=granted", "depends_on=[]", edge_problems),
    Mutation("pipe before the role can read", "ingestion_path/snowpipe_ingestion.py", "depends_on=[may_read],", "", edge_problems),
    Mutation("stage before its routes", "ingestion_path/endpoint.py", "depends_on=routes", "depends_on=[]", edge_problems),
    # the archive and the way to it
    Mutation("objects a replay cannot read", "ingestion_path/archive.py", '"GLACIER_IR"', '"GLACIER"', archive_problems),
    Mutation("step logs for ever", "ingestion_path/step_logs.py", '"expiration": {"days": KEPT_DAYS},', "", step_log_problems),
    Mutation("public step logs", "ingestion_path/step_logs.py", "block_public_policy=True", "block_public_policy=False", step_log_problems),
    Mutation("step logs under another prefix than Dagster's", "ingestion_path/names.py", '"dagster-compute-logs/"', '"logs/"', policy_problems),
    Mutation("platform cannot mark the archive", "__main__.py", "policies.use_archive", "policies.read_archive", policy_problems),
    Mutation("platform cannot look for the marker", "ingestion_path/policies.py", 'StringEquals={"s3:prefix": MARKER_KEY}', 'StringEquals={"s3:prefix": DATA_PREFIX}', policy_problems),
    Mutation("may write over all of the logs' bucket", "ingestion_path/policies.py", 'f"{bucket_arn}/{STEP_LOGS_PREFIX}*"', 'f"{bucket_arn}/*"', policy_problems),
    Mutation("public policies", "ingestion_path/archive.py", "block_public_policy=True", "block_public_policy=False", archive_problems),
    Mutation("another key layout", "ingestion_path/delivery.py", '"prefix": DATA_PREFIX', '"prefix": "hits/"', delivery_problems),
    Mutation("announces another folder", "ingestion_path/snowpipe_ingestion.py", '"filter_prefix": DATA_PREFIX', '"filter_prefix": "hits/"', announcement_problems),
    Mutation("bucket unprotected", "ingestion_path/archive.py", "protect=settings.protect)", "protect=False)", unprotected),
    Mutation("database unprotected", "ingestion_path/warehouse.py", "opts=self._holds_data,", "opts=self._inside,", unprotected),
    Mutation("raw table unprotected", "ingestion_path/warehouse.py", "merge(self._holds_data,", "merge(self._inside,", unprotected),
    Mutation("raw columns dropped by an update", "ingestion_path/warehouse.py", 'ignore_changes=["columns"]', "ignore_changes=[]", unprotected),
    Mutation("teardown opens the bucket", "ingestion_path/archive.py", "restrict_public_buckets=True,\n            opts=kept,", "restrict_public_buckets=True,\n            opts=pulumi.ResourceOptions(parent=self),", unprotected),
    Mutation("teardown takes the TLS policy", "ingestion_path/archive.py", "merge(kept, pulumi.ResourceOptions(depends_on=[closed]))", "merge(pulumi.ResourceOptions(parent=self), pulumi.ResourceOptions(depends_on=[closed]))", unprotected),
    Mutation("scripts cannot read Retry-After", "ingestion_path/endpoint.py", '["retry-after", "x-event-id"]', '["x-event-id"]', route_problems),
    Mutation("limit of the collector lost", "__main__.py", '"MAX_BATCH_HITS"', '"MAX_HITS"', environment_problems),
    # the door
    Mutation("old payload format", "ingestion_path/endpoint.py", '"2.0"', '"1.0"', route_problems),
    Mutation("any route may invoke", "ingestion_path/endpoint.py", 'f"/*/{method}{path}"', '"/*/*"', route_problems),
    Mutation("any origin", "ingestion_path/endpoint.py", "list(settings.allowed_origins)", '["*"]', route_problems),
    Mutation("addresses in the access log", "ingestion_path/endpoint.py", '"status": "$context.status"', '"ip": "$context.identity.sourceIp"', route_problems),
    # parked hits and alarms
    Mutation("gives up after minutes", "ingestion_path/fallback.py", "TRIES = 250", "TRIES = 3", fallback_problems),
    Mutation("alarm on a name that is none", "ingestion_path/alarms.py", '{"DeliveryStreamName": watched.stream}', '{"DeliveryStreamName": "hits"}', alarm_problems),
    Mutation("alarm without its runbook", "ingestion_path/alerts.py", "/{alarm.name}.md", "/README.md", alarm_problems),
    Mutation("alarm that has no runbook", "ingestion_path/alarms.py", '"stream-throttled"', '"stream-refusing"', alarm_problems),
    Mutation("in flight forgotten", "ingestion_path/alarms.py", 'for state in ("Visible", "NotVisible")', 'for state in ("Visible", "Visible")', alarm_state_problems),
    Mutation("average of a count", "ingestion_path/alarms.py", 'statistic: str = "Sum"', 'statistic: str = "Average"', alarm_state_problems),
    Mutation("the wrong direction", "ingestion_path/alerts.py", 'if alarm.below else', 'if not alarm.below else', alarm_state_problems),
    Mutation("silence is golden", "ingestion_path/alarms.py", "silence=True,", "", alarm_state_problems),
    Mutation("quiet minutes are trouble", "ingestion_path/alerts.py", 'else "notBreaching"', 'else "breaching"', alarm_state_problems),
    Mutation("late only after hours", "ingestion_path/alarms.py", "2 * buffer_seconds + PERIOD_SECONDS", "20 * buffer_seconds + PERIOD_SECONDS", alarm_state_problems),
    Mutation("an alarm too few", "ingestion_path/alarms.py", "*_parked(watched),", "", alarm_state_problems),
    Mutation("429 counted as 404", "ingestion_path/endpoint.py", '$.status = "429"', '$.status = "404"', alarm_problems),
    Mutation("redrive counts as collector", "ingestion_path/fallback.py", "names.redrive_namespace", "names.prefix", alarm_problems),
    Mutation("dashboard of another region", "ingestion_path/dashboard.py", '"region": region', '"region": "us-east-1"', dashboard_problems),
    Mutation("dashboard without the stuck queue", "ingestion_path/dashboard.py", "(watched.fallback_queue, watched.stuck_queue)", "(watched.fallback_queue,)", dashboard_problems),
    Mutation("alarm for nobody", "ingestion_path/alerts.py", "alarm_actions=[self.topic.arn]", "alarm_actions=[]", alarm_problems),
    # structure, secrets, outputs
    Mutation("two alarms of one name", "ingestion_path/alerts.py", 'f"{name}-{alarm.name}"', 'f"{name}-alarm"', structure_problems),
    Mutation("outside its component", "ingestion_path/alerts.py", 'name=f"{names.prefix}-alerts", opts=inside', 'name=f"{names.prefix}-alerts"', structure_problems),
    Mutation("untagged", "__main__.py", '"stack": config.stack, ', "", tag_problems),
    Mutation("any account", "__main__.py", "allowed_account_ids=[config.account.id],", "", tag_problems),
    Mutation("secret in an output", "__main__.py", '"AWS_REGION": config.account.region', '"AWS_REGION": config.snowflake.external_id', export_problems),
    Mutation("secret in plain text", "ingestion_path/setting_reader.py", "pulumi.Output.secret(value)", "pulumi.Output.from_input(value)", secrecy_problems),
    Mutation("secret told by Snowflake", "ingestion_path/snowpipe_ingestion.py", '["describeOutputs"]', "[]", secrecy_problems),
    # shape
    Mutation("a name that AWS does not take", "ingestion_path/delivery.py", '"buffering_size"', '"buffer_size"', shape_problems),
    Mutation("a bool for a word", "ingestion_path/warehouse.py", 'with_managed_access="true"', "with_managed_access=True", shape_problems),
    # Snowflake
    Mutation("analysts see raw hits", "ingestion_path/access.py", "for schema in MODEL_SCHEMAS:", "for schema in (RAW_SCHEMA, *MODEL_SCHEMAS):", grant_problems),
    Mutation("analysts write", "ingestion_path/access.py", '["SELECT"], _to_come', "CHANGE_ROWS, _to_come", grant_problems),
    Mutation("platform is SYSADMIN", "ingestion_path/access.py", "role_name=self.write.name, user_name", 'role_name="SYSADMIN", user_name', grant_problems),
    Mutation("a bad line costs its file", "ingestion_path/raw_tables.py", r'(r"\nforce = true", ""),', r'(r"\non_error = continue\nforce = true", ""),', snowpipe_problems),
    Mutation("no wait for IAM", "ingestion_path/snowpipe_ingestion.py", "hooks=pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(\"wait-for-iam\", wait_for_iam)]),", "", snowpipe_problems),
    Mutation("no credit limit", "ingestion_path/compute.py", 'f"alter warehouse {one.warehouse} set', 'f"alter warehouse {one.label} set', compute_problems),
    Mutation("limit that tells nobody", "ingestion_path/compute.py", "notify_users = ({', '.join(notify_users)}) ", "", compute_problems),
    Mutation("limit taken away by the next update", "ingestion_path/compute.py", 'ignore_changes=["resourceMonitor"]', "ignore_changes=[]", compute_problems),
    Mutation("monitor that the role cannot make", "ingestion_path/compute.py", 'settings.admin_role == "ACCOUNTADMIN"', "True", compute_problems),
    Mutation("platform signs in from anywhere", "ingestion_path/access.py", "network_policy=policy.name,", "", user_problems),
    Mutation("readers on the platform's warehouse", "ingestion_path/access.py", '("read", compute.readers)', '("read", compute.platform)', grant_problems),
    Mutation("analysts see addresses", "ingestion_path/names.py", 'OPEN_SCHEMAS = ("STATS",)', 'OPEN_SCHEMAS = ("STATS", "EVENTS")', grant_problems),
    Mutation("READ inherits what visitors sent", "ingestion_path/access.py", '("read", self.read_events.name),', '("read", self.write.name),', grant_problems),
    Mutation("readers see what is staged", "ingestion_path/access.py", 'yield "write", "staged", ', 'yield "read", "staged", ', grant_problems),
    Mutation("a day of time travel for what is staged", "ingestion_path/warehouse.py", "=0 if schema == STAGED_SCHEMA else None", "=None", retention_problems),
    Mutation("fail-safe for what S3 reloads", "ingestion_path/warehouse.py", '"true" if schema in (RAW_SCHEMA, STAGED_SCHEMA) else "default"', '"default"', retention_problems),
    Mutation("raw schema unprotected", "ingestion_path/warehouse.py", "self._holds_data if schema == RAW_SCHEMA else self._inside", "self._inside", unprotected),
]  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the program that can be spoiled; what it reads stands beside it as in the repository."""
    for beside in ("collector", "platform"):
        (tmp_path / beside).symlink_to(ROOT / beside)
    return Path(shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns("__pycache__")))


def test_untouched_copy_has_no_problem(copy: Path) -> None:
    """What the mutations show is due to the mutation."""
    graph = run_program("production", folder=copy)
    checks = {mutation.check for mutation in MUTATIONS}
    assert {check: check(graph) for check in checks if check(graph)} == {}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_defect_is_noticed(mutation: Mutation, copy: Path) -> None:
    """Each guard can fail, and fails for the defect it guards against."""
    file = copy / mutation.file
    source = file.read_text()
    assert mutation.old in source, f"{mutation.file} no longer says {mutation.old!r}: fix this row"
    file.write_text(source.replace(mutation.old, mutation.new))
    assert mutation.check(run_program("production", config=mutation.config, folder=copy)), (
        f"{mutation.name} went unnoticed"
    )
