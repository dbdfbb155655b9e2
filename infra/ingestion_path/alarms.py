"""The table of alarms: what each watches, from which figure on, and what that means for the reader of the e-mail.

Each alarm's name is also the name of its runbook, `docs/runbooks/<name>.md`, to which its description links. Snowpipe's
lag cannot be seen from AWS: the platform's freshness checks watch it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

PERIOD_SECONDS = 300
# How long parked hits may stay before a person hears of it: the redrive needs a few tries, six minutes apart.
WAITING_MINUTES = 30


@dataclass(frozen=True)
class Metric:
    """One series of CloudWatch, five minutes a point."""

    namespace: str
    name: str
    dimensions: Mapping[str, pulumi.Input[str]]
    statistic: str = "Sum"


@dataclass(frozen=True)
class Alarm:
    """The sum of `metrics` at or over `threshold` (under it where `below`) for `minutes` on end. Periods without a point
    count as good, except where `silence` is the trouble itself.
    """

    name: str
    meaning: str
    metrics: tuple[Metric, ...]
    threshold: float = 1
    minutes: int = 5
    below: bool = False
    silence: bool = False

    @property
    def periods(self) -> int:
        return self.minutes * 60 // PERIOD_SECONDS


@dataclass(frozen=True)
class Watched:
    """The names that the alarms watch. `functions` maps a short name to a function's; the namespaces are those of the
    counters that collector and redrive log; `throttled` counts the requests that the gateway answered with 429.
    """

    stream: pulumi.Input[str]
    functions: Mapping[str, pulumi.Input[str]]
    api: pulumi.Input[str]
    fallback_queue: pulumi.Input[str]
    stuck_queue: pulumi.Input[str]
    collector_namespace: str
    redrive_namespace: str
    throttled: Metric


def alarms_for(watched: Watched, *, buffer_seconds: int, silence_minutes: int) -> list[Alarm]:
    """The table. `buffer_seconds` is how old a healthy hit may get; `silence_minutes` how long no request at all may be
    normal (0: for ever).
    """
    return [
        *_delivery(watched, buffer_seconds),
        *_parked(watched),
        *_functions(watched),
        *_front_door(watched, silence_minutes),
    ]


def _delivery(watched: Watched, buffer_seconds: int) -> list[Alarm]:
    def firehose(name: str, statistic: str) -> tuple[Metric, ...]:
        return (Metric("AWS/Firehose", name, {"DeliveryStreamName": watched.stream}, statistic),)

    return [
        Alarm(
            "delivery-late",
            "Hits reach the archive late; Firehose drops what it holds for 24 hours",
            firehose("DeliveryToS3.DataFreshness", "Maximum"),
            threshold=2 * buffer_seconds + PERIOD_SECONDS,
        ),
        Alarm(
            "delivery-failing",
            "Firehose cannot write to the archive; it drops what it holds for 24 hours",
            firehose("DeliveryToS3.Success", "Average"),
            below=True,
        ),
        Alarm("stream-throttled", "The stream refuses hits: more than its quota", firehose("ThrottledRecords", "Sum")),
    ]


def _parked(watched: Watched) -> list[Alarm]:
    def counted(namespace: str, name: str) -> tuple[Metric, ...]:
        return (Metric(namespace, name, {"DeliveryStream": watched.stream}),)

    # In flight too: while the redrive holds a message, or has failed and its time-out runs, it is not visible. The age
    # of the oldest message says nothing here: SQS leaves messages out of it that were received three times.
    def depth(queue: pulumi.Input[str]) -> tuple[Metric, ...]:
        return tuple(
            Metric("AWS/SQS", f"ApproximateNumberOfMessages{state}", {"QueueName": queue}, "Maximum")
            for state in ("Visible", "NotVisible")
        )

    return [
        Alarm(
            "hits-undelivered",
            "Clients are told that hits are not stored: neither the stream nor the queue takes them",
            counted(watched.collector_namespace, "Undelivered"),
        ),
        Alarm(
            "hits-parked",
            "The stream refuses hits; they are parked in the fallback queue",
            counted(watched.collector_namespace, "Queued"),
        ),
        Alarm(
            "redrive-undelivered",
            "Parked hits are tried again and refused again",
            counted(watched.redrive_namespace, "Undelivered"),
            minutes=15,
        ),
        Alarm(
            "fallback-waiting",
            f"Parked hits have not got back to the stream for {WAITING_MINUTES} minutes",
            depth(watched.fallback_queue),
            minutes=WAITING_MINUTES,
        ),
        Alarm(
            "hits-stuck",
            "Hits wait in the stuck queue for a person; they expire two weeks after they came",
            depth(watched.stuck_queue),
        ),
    ]


def _functions(watched: Watched) -> list[Alarm]:
    return [
        Alarm(
            f"{name}-{metric.lower()}",
            f"The {name} function: {what}",
            (Metric("AWS/Lambda", metric, {"FunctionName": function}),),
        )
        for name, function in watched.functions.items()
        for metric, what in (("Errors", "calls end in errors"), ("Throttles", "calls are refused; raise its quota"))
    ]


def _front_door(watched: Watched, silence_minutes: int) -> list[Alarm]:
    def api(name: str) -> tuple[Metric, ...]:
        return (Metric("AWS/ApiGateway", name, {"ApiId": watched.api}),)

    alarms = [
        Alarm("endpoint-5xx", "Clients get errors that are ours", api("5xx")),
        Alarm(
            "endpoint-throttled",
            "Clients get 429: more requests than throttleRate lets in. Those hits leave no record",
            (watched.throttled,),
        ),
    ]
    if silence_minutes:
        alarms.append(
            Alarm(
                "endpoint-silent",
                f"No request at all for {silence_minutes} minutes",
                api("Count"),
                minutes=silence_minutes,
                below=True,
                silence=True,
            )
        )
    return alarms
