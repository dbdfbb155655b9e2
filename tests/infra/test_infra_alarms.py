"""Every alarm goes off when its trouble is there, and not before.

Where the trouble can be made here (a stream that refuses, a queue that is gone, requests over the limit) it is, and the
alarm is evaluated on what the running path then logs or its queues hold. All are evaluated on points as AWS documents
them by the check `alarm_state_problems` (infra_alarms.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from infra_alarms import PROOFS, Points, Series, emf_points, filtered_points, is_off, metrics_of, series_of
from infra_harness import ROOT, Graph, run_program
from infra_running import RunningPath, logged, start
from infra_world import AppliedWorld

HIT = {"v": "1", "t": "pageview", "tid": "UA-1-1", "cid": "c-1"}
RUNBOOKS = ROOT / "docs" / "runbooks"


def alarm(graph: Graph, name: str) -> dict[str, Any]:
    return graph.named(f"alerts-{name}").inputs


def points_of(given: dict[str, Any], periods: list[list[float]]) -> Points:
    (metric,) = metrics_of(given)
    return {series_of(metric): periods}


def test_silence_is_an_alarm_only_where_a_stack_says_so(production: Graph) -> None:
    """A shop that sleeps at night sets another span, or none."""
    assert alarm(production, "endpoint-silent")["evaluationPeriods"] == 12
    longer = run_program(config={"clickstream:silenceMinutes": "480"})
    assert alarm(longer, "endpoint-silent")["evaluationPeriods"] == 96
    never = run_program(config={"clickstream:silenceMinutes": "0"})
    assert "alerts-endpoint-silent" not in {node.name for node in never.of("MetricAlarm")}


# -- trouble that is made here


def post(path: RunningPath) -> int:
    headers = {"content-type": "application/json"}
    return path.api.request("POST", "/collect", headers=headers, body=json.dumps(HIT).encode()).status


@pytest.fixture
def refusing(running: RunningPath) -> Iterator[RunningPath]:
    """The path with a stream that refuses every call, and short deadlines."""
    running.calm()
    running.collector.seconds_left = running.redrive.seconds_left = 5
    running.firehose.refuse_calls(1000)
    yield running
    running.calm()


def depths(applied: AppliedWorld, url: str) -> dict[str, float]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = applied.world.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    visible, in_flight = (float(found[name]) for name in names)
    return {"ApproximateNumberOfMessagesVisible": visible, "ApproximateNumberOfMessagesNotVisible": in_flight}


def depth_points(given: dict[str, Any], measured: dict[str, float], periods: int) -> dict[Series, list[list[float]]]:
    return {series_of(metric): [[measured[metric["metricName"]]]] * periods for metric in metrics_of(given)}


def test_parked_hit_is_told(applied: AppliedWorld, refusing: RunningPath) -> None:
    """`Queued` had no alarm: an outage of the stream showed only when parked hits grew old."""
    given = alarm(applied.graph, "hits-parked")
    refusing.firehose.refuse_calls(0)
    assert not is_off(given, emf_points(logged(refusing.collector, lambda: post(refusing))))
    refusing.firehose.refuse_calls(1000)
    assert is_off(given, emf_points(logged(refusing.collector, lambda: post(refusing))))


def test_waiting_hits_are_told_in_flight_too(applied: AppliedWorld, refusing: RunningPath) -> None:
    """A message that the redrive holds, or has just failed on, is not visible; the age metric forgets it after three
    tries. Half an hour of either is an alarm, a message that comes and goes is none.
    """
    given = alarm(applied.graph, "fallback-waiting")
    assert not is_off(given, depth_points(given, depths(applied, refusing.parked), 6))
    assert post(refusing) == 200
    waiting = depths(applied, refusing.parked)
    assert is_off(given, depth_points(given, waiting, 6))
    assert not is_off(given, depth_points(given, waiting, 5))
    applied.world.client("sqs").receive_message(QueueUrl=refusing.parked, VisibilityTimeout=360)
    in_flight = depths(applied, refusing.parked)
    assert in_flight["ApproximateNumberOfMessagesVisible"] == 0
    assert is_off(given, depth_points(given, in_flight, 6))


def test_redrive_that_fails_is_told(applied: AppliedWorld, refusing: RunningPath) -> None:
    """The redrive answers with the messages it could not deliver, so Lambda counts no error: its own counter does."""
    given = alarm(applied.graph, "redrive-undelivered")
    assert post(refusing) == 200
    (message,) = refusing.messages(refusing.parked)
    event = {"Records": [{"messageId": message["MessageId"], "body": message["Body"]}]}
    points = emf_points(logged(refusing.redrive, lambda: refusing.redrive.invoke(event)))
    assert is_off(given, {series: periods * 3 for series, periods in points.items()})
    assert not is_off(alarm(applied.graph, "hits-undelivered"), points), "no client was told"


def test_stuck_hit_is_told(applied: AppliedWorld) -> None:
    """One is enough: it expires in two weeks. While somebody looks at it, it is in flight and counts still."""
    given = alarm(applied.graph, "hits-stuck")
    url = applied.world.made["aws:sqs/queue:Queue", "fallback-stuck"]["url"]
    sqs = applied.world.client("sqs")
    assert not is_off(given, depth_points(given, depths(applied, url), 1))
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    assert is_off(given, depth_points(given, depths(applied, url), 1))
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=360)
    assert is_off(given, depth_points(given, depths(applied, url), 1))


def test_lost_queue_and_refusing_stream_are_told(applied: AppliedWorld, refusing: RunningPath, tmp_path: Path) -> None:
    """Neither takes the hit: the client gets 503, and both the collector's counter and the gateway's say so."""
    gone = {"FALLBACK_QUEUE_URL": refusing.parked + "-that-is-gone"}
    with start(applied, "collector", tmp_path, gone) as collector:
        collector.seconds_left = 5
        event = {
            "version": "2.0", "rawPath": "/collect", "rawQueryString": "", "headers": {"content-type": "application/json"},
            "requestContext": {"http": {"method": "POST", "sourceIp": "203.0.113.77"}, "timeEpoch": 1772323200000},
            "body": json.dumps(HIT), "isBase64Encoded": False,
        }  # fmt: skip
        answers: list[dict[str, Any]] = []
        points = emf_points(logged(collector, lambda: answers.append(collector.invoke(event))))
    assert answers[0]["statusCode"] == 503
    assert is_off(alarm(applied.graph, "hits-undelivered"), points)
    given = alarm(applied.graph, "endpoint-5xx")
    # The gateway counts answers from 500 on.
    assert is_off(given, points_of(given, [[float(answers[0]["statusCode"] >= 500)]]))
    assert not is_off(given, points_of(given, [[0]]))


def test_throttled_clients_are_told(applied: AppliedWorld, running: RunningPath) -> None:
    """A hit that gets 429 never reaches the collector and leaves no record; refused hits (400) are another matter."""
    given = alarm(applied.graph, "endpoint-throttled")
    group = applied.graph.named("endpoint-access-log").inputs["name"]
    running.api.access_log.clear()
    assert running.api.request("POST", "/collect", body=b"t=pageview").status == 400
    assert not is_off(given, filtered_points(applied.graph, group, running.api.access_log))
    running.api.throttling = True
    try:
        assert running.api.request("POST", "/collect", body=b"t=pageview&cid=c").status == 429
    finally:
        running.api.throttling = False
    assert is_off(given, filtered_points(applied.graph, group, running.api.access_log))


# -- runbooks


def test_every_runbook_is_an_alarms() -> None:
    """A runbook for an alarm that no longer exists misleads whoever finds it; each says what to look at and to do."""
    by_hand, _, of_alarms = (RUNBOOKS / "README.md").read_text().partition("## Alarms")
    listed = {part: set(re.findall(r"\]\(([\w-]+)\.md\)", part)) for part in (by_hand, of_alarms)}
    assert listed[by_hand] | listed[of_alarms] == {file.stem for file in RUNBOOKS.glob("*.md")} - {"README"}
    files = {name: (RUNBOOKS / f"{name}.md").read_text() for name in listed[of_alarms] - {"budget"}}
    assert set(files) == set(PROOFS)
    for name, text in files.items():
        assert text.startswith(f"# {name}: "), name
        for part in ("What it means", "Look", "Do"):
            assert f"**{part}.**" in text or f"**{part}**" in text, f"{name} lacks {part}"


def test_runbooks_can_be_linked_to_where_they_are_read(production: Graph) -> None:
    """An e-mail cannot open a path of the repository: the stack says where its runbooks are published."""
    graph = run_program(config={"clickstream:runbookUrl": "https://git.example/clickstream/docs/runbooks"})
    description = alarm(graph, "hits-stuck")["alarmDescription"]
    assert description.endswith("Runbook: https://git.example/clickstream/docs/runbooks/hits-stuck.md")
