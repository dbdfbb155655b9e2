"""The recorded graph applied to moto, then real hits through it: front door to archive to announcement, and the way
back.

infra_running.py says what runs here.
"""

from __future__ import annotations

import gzip
import json
import re
import time

import pytest
from infra_policies import statements
from infra_running import RunningPath, function_node
from infra_world import AppliedWorld

from collector.archive_keys import parse_key

ORIGIN = "https://shop.example"


@pytest.fixture
def path(running: RunningPath) -> RunningPath:
    """The running path, with nothing left over from the test before."""
    running.calm()
    return running


# -- what was applied
# ---------------------------------------------------------------------------------------------------
def test_bucket_is_closed_versioned_and_encrypted(applied: AppliedWorld) -> None:
    """Not what the program says but what an S3 says after it: settings on another bucket would be none."""
    s3, bucket = applied.world.client("s3"), {"Bucket": applied.graph.exports["bucket"]}
    assert s3.get_bucket_versioning(**bucket)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (lifecycle,) = s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    assert [step["StorageClass"] for step in lifecycle["Transitions"]] == ["STANDARD_IA", "GLACIER_IR"]


def test_roles_hold_the_recorded_policies(applied: AppliedWorld) -> None:
    """Each function's role in IAM holds its own policies; one put on another role would leave this one without."""
    iam = applied.world.client("iam")
    for name in ("collector", "redrive"):
        role = function_node(applied.graph, name).inputs["role"].rpartition("/")[2]
        policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"] for policy in policies]
        actions = {action for document in documents for item in statements(document) for action in item["Action"]}
        assert "firehose:PutRecordBatch" in actions
        assert "logs:PutLogEvents" in actions


def test_alarms_exist_and_tell_the_topic_and_their_figures_are_on_a_dashboard(applied: AppliedWorld) -> None:
    """An alarm that tells nobody is none."""
    alarms = applied.world.client("cloudwatch").describe_alarms()["MetricAlarms"]
    (topic,) = [item["TopicArn"] for item in applied.world.client("sns").list_topics()["Topics"]]
    assert len(alarms) == len(applied.graph.of("MetricAlarm")) >= 10
    assert {arn for alarm in alarms for arn in alarm["AlarmActions"]} == {topic}
    (dashboard,) = applied.world.client("cloudwatch").list_dashboards()["DashboardEntries"]
    assert dashboard["DashboardName"] == "clickstream-production"
    (filters,) = applied.world.client("logs").describe_metric_filters()["metricFilters"]
    assert filters["filterPattern"] == '{ $.status = "429" }'


# -- traffic
# ------------------------------------------------------------------------------------------------------------
HIT = {"v": "1", "t": "pageview", "tid": "UA-1-1", "cid": "c-1", "dl": "https://shop.example/p/1", "z": "1"}


def test_hit_travels_from_the_door_to_the_archive(path: RunningPath) -> None:
    """The whole path: 200 with the pixel, one gzip line under Firehose's key, announced to the pipe, the address
    truncated.
    """
    answer = path.api.request(
        "POST", "/collect", headers={"content-type": "application/json"}, body=json.dumps(HIT).encode()
    )
    assert (answer.status, answer.headers["content-type"], answer.body[:3]) == (200, "image/gif", b"GIF")
    path.firehose.flush()
    ((key, records),) = path.objects().items()
    parsed = parse_key(key)
    assert parsed is not None
    assert parsed.stream == "clickstream-production-hits"
    assert path.announced() == [key]
    assert records[0]["request"]["body"]["dl"] == HIT["dl"]
    assert records[0]["context"]["user_ip"] == "203.0.113.0"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_pixel_and_form_and_batch_travel_too(path: RunningPath, method: str) -> None:
    """Each route leads to the handler: pixels by GET and HEAD, form bodies (base64 from the gateway), batches."""
    query = "v=1&t=event&tid=UA-1-1&cid=c-2&ec=a&ea=b"
    assert path.api.request(method, "/collect", query).status == 200
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert path.api.request("POST", "/collect", headers=form, body=query.encode()).status == 200
    batch = path.api.request(
        "POST", "/batch", headers={"content-type": "text/plain"}, body=f"{query}\n{query}".encode()
    )
    assert batch.status == 200
    records = path.delivered()
    assert len(records) == 4
    assert len({record["event_id"] for record in records}) == 4


def test_other_protocols_travel_too(path: RunningPath) -> None:
    """GA4's two doors and Segment's through the gateway, a compressed body and Google's cookie among them."""
    cookie = {"cookie": "_ga=GA1.2.111.222", "content-type": "text/plain"}
    query = "v=2&tid=G-1&sid=1"
    assert path.api.request("POST", "/g/collect", query, cookie, b"en=page_view\nen=scroll").status == 204
    event = {"client_id": "1.2", "events": [{"name": "purchase"}]}
    as_json = {"content-type": "application/json"}
    assert path.api.request("POST", "/mp/collect", "api_secret=s", as_json, json.dumps(event).encode()).status == 204
    debug = path.api.request("POST", "/debug/mp/collect", "", as_json, json.dumps(event).encode())
    assert json.loads(debug.body) == {"validationMessages": []}
    batch = {"batch": [{"type": "track", "event": "Order Completed", "anonymousId": "a"}]}
    sent = {"authorization": "Basic a2V5Og==", "content-type": "application/json", "content-encoding": "gzip"}
    answer = path.api.request("POST", "/v1/batch", "", sent, gzip.compress(json.dumps(batch).encode()))
    assert (answer.status, json.loads(answer.body)) == (200, {"success": True})
    records = path.delivered()
    assert [record["request"]["protocol"] for record in records] == ["ga4", "ga4", "ga4_mp", "segment"]
    assert [record["context"]["client_id"] for record in records] == ["111.222", "111.222", "1.2", "a"]
    assert records[3]["context"]["tracking_id"] == "key"


def test_health_and_robots_answer(path: RunningPath) -> None:
    """Routes that leave no record."""
    assert path.api.request("GET", "/health").status == 200
    assert b"Disallow" in path.api.request("GET", "/robots.txt").body
    assert path.delivered() == []


def test_other_paths_never_reach_the_function(path: RunningPath) -> None:
    """The gateway answers what is no route: nobody pays for a scanner's requests but the gateway."""
    before = len(path.collector.log)
    assert path.api.request("GET", "/wp-login.php").status == 404
    assert path.api.request("DELETE", "/collect").status == 404
    assert len(path.collector.log) == before


def test_browsers_of_allowed_origins_only(path: RunningPath) -> None:
    """Credentialed beacons: the preflight echoes an allowed origin, and another one gets neither headers nor a
    record.
    """
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    allowed = path.api.request("OPTIONS", "/collect", headers={"origin": ORIGIN, **ask})
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert allowed.headers["access-control-allow-credentials"] == "true"
    refused = path.api.request("OPTIONS", "/collect", headers={"origin": "https://evil.example", **ask})
    assert refused.headers == {}
    sent = {"content-type": "text/plain", "origin": "https://evil.example"}
    answer = path.api.request("POST", "/collect", headers=sent, body=b"t=pageview&cid=c")
    assert answer.status == 403
    assert [record["rejected"]["reason"] for record in path.delivered()] == ["origin_not_allowed"]


def test_refused_stream_parks_the_hit_and_the_redrive_returns_it(path: RunningPath) -> None:
    """A throttled stream costs no acknowledged hit: 200, parked, and in the archive once the redrive ran."""
    path.firehose.refuse_calls(1000)
    path.collector.seconds_left = path.redrive.seconds_left = 5
    body = json.dumps({**HIT, "dp": "/parké", "z": "parked"}).encode()
    answer = path.api.request("POST", "/collect", headers={"content-type": "application/json"}, body=body)
    assert answer.status == 200
    assert path.delivered() == []
    # What Lambda's poller would do: hand over the messages, keep those that are named as failed.
    parked = path.messages(path.parked)
    event = {"Records": [{"messageId": message["MessageId"], "body": message["Body"]} for message in parked]}
    assert len(parked) == 1
    still = path.redrive.invoke(event)
    assert still == {"batchItemFailures": [{"itemIdentifier": parked[0]["MessageId"]}]}
    path.firehose.refuse_calls(0)
    assert path.redrive.invoke(event) == {"batchItemFailures": []}
    (record,) = path.delivered()
    assert record["request"]["body"]["dp"] == "/parké"


def test_partly_refused_batch_is_completed(path: RunningPath) -> None:
    """Firehose refuses record by record; what it refused is sent again, what it took is not."""
    path.firehose.refuse_records(2)
    lines = "\n".join(f"t=pageview&tid=UA-1-1&cid=c-3&z={number}" for number in range(5))
    assert path.api.request("POST", "/batch", headers={"content-type": "text/plain"}, body=lines.encode()).status == 200
    assert sorted(record["request"]["id"] for record in path.delivered()) == list("01234")


def test_logs_are_json_without_the_visitor(path: RunningPath) -> None:
    """Logs are kept apart from the archive: an address, an id or a page in them would be a copy that nobody deletes."""
    before = path.collector.log
    hit = {**HIT, "cid": "visitor-of-the-log-test", "dl": "https://shop.example/page-of-the-log-test"}
    path.api.request("POST", "/collect", headers={"content-type": "application/json"}, body=json.dumps(hit).encode())
    deadline = time.monotonic() + 10
    while (log := path.collector.log) == before or not log.endswith("\n"):
        assert time.monotonic() < deadline, "nothing was logged"
        time.sleep(0.02)
    line = json.loads(log.splitlines()[-1])
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "clickstream-production"
    assert not re.search(r"203\.0\.113|of-the-log-test", log)
