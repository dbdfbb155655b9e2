"""What a stack costs, from its settings and its traffic: a pure estimate, in US dollars, for `make infra-cost`.

Prices are AWS's list prices of its cheapest regions as remembered, not looked up; others are up to a third dearer. What
is free at the start, taxes and what leaves the region are left out. Snowflake is counted in credits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from collector.packing import BILLED_BYTES, RECORD_BYTES

from .quotas import MEAN_HIT_BYTES
from .setting_groups import Settings

DAYS = 30
GB = 1e9
# Of a million simulated hits (docs/production.md), and of the collector's and the gateway's log lines of a request.
GZIP_BYTES = 128
COLLECTOR_LOG_BYTES, ACCESS_LOG_BYTES = 520, 240
# A hit's call at 512 MiB: assumed, nobody has measured it on Lambda.
CALL_SECONDS = 0.025

PER_MILLION_REQUESTS = {"api": 1.00, "lambda": 0.20, "cloudfront": 1.00, "firewall": 0.60, "sqs": 0.40}
LAMBDA_GB_SECOND = 0.0000133334
FIREHOSE_GB = 0.029
LOG_GB, LOG_GB_MONTH = 0.50, 0.03
S3_GB_MONTH = {"standard": 0.023, "infrequent": 0.0125, "instant": 0.004}
S3_PUT, S3_TO_INFREQUENT, S3_TO_INSTANT = 0.005 / 1000, 0.01 / 1000, 0.02 / 1000
S3_READ_GB = {"infrequent": 0.01, "instant": 0.03}
S3_GET = {"infrequent": 0.001 / 1000, "instant": 0.01 / 1000}
ALARM_METRIC, CUSTOM_METRIC, DASHBOARD, FIREWALL = 0.10, 0.30, 3.00, 6.00
# Six counters of collector and redrive each, and the gateway's 429s.
CUSTOM_METRICS = 13
# What the queue's poller asks while there is nothing: five at a time, every twenty seconds.
EMPTY_RECEIVES = 5 * 3 * 60 * 24 * DAYS
SNOWPIPE_CREDITS_GB = 0.0037


@dataclass(frozen=True)
class Traffic:
    """Hits a day, hits a request, and for how many days there has been that much."""

    hits_per_day: int
    hits_per_request: float = 1
    days_kept: int = 365

    @property
    def requests_per_month(self) -> float:
        return self.hits_per_day * DAYS / self.hits_per_request


@dataclass(frozen=True)
class Line:
    """A part's dollars in a month, and why they are what they are."""

    part: str
    month: float
    why: str


def estimate(settings: Settings, traffic: Traffic, alarm_metrics: int) -> list[Line]:
    """One line a part; `alarm_metrics` is how many metrics the alarms watch."""
    return [
        *_requests(settings, traffic),
        *_archive(settings, traffic),
        Line(
            "alarms, counters, dashboard, idle queue",
            alarm_metrics * ALARM_METRIC
            + CUSTOM_METRICS * CUSTOM_METRIC
            + DASHBOARD
            + EMPTY_RECEIVES / 1e6 * PER_MILLION_REQUESTS["sqs"],
            f"{alarm_metrics} watched metrics, {CUSTOM_METRICS} counters; the same without a hit",
        ),
    ]


def _requests(settings: Settings, traffic: Traffic) -> Iterator[Line]:
    millions = traffic.requests_per_month / 1e6
    if settings.address.cloud_front:
        each = PER_MILLION_REQUESTS["cloudfront"] + PER_MILLION_REQUESTS["firewall"]
        yield Line("CloudFront and firewall", millions * each + FIREWALL, "requests, and the firewall's fee")
    yield Line("HTTP API", millions * PER_MILLION_REQUESTS["api"], "requests: a batch is one")
    memory = settings.collector.memory_mebibytes
    # More hits a call take longer, but little: most of a call is waiting for the stream.
    seconds = CALL_SECONDS * (1 + 0.02 * (traffic.hits_per_request - 1))
    yield Line(
        "collector",
        millions * (PER_MILLION_REQUESTS["lambda"] + 1e6 * seconds * memory / 1024 * LAMBDA_GB_SECOND),
        f"calls, and {memory} MiB for {seconds * 1000:.0f} ms each",
    )
    billed = billed_bytes(traffic.hits_per_request)
    yield Line(
        "delivery stream",
        traffic.requests_per_month * billed / GB * FIREHOSE_GB,
        f"a request's hits share a record, counted in steps of 5 KB: {billed / traffic.hits_per_request / 1024:.1f} KB a hit",
    )
    logged = traffic.requests_per_month * (COLLECTOR_LOG_BYTES + ACCESS_LOG_BYTES) / GB
    yield Line(
        "logs",
        logged * (LOG_GB + LOG_GB_MONTH * settings.alerts.log_retention_days / DAYS),
        f"{COLLECTOR_LOG_BYTES + ACCESS_LOG_BYTES} bytes a request; the counters are in them",
    )


def billed_bytes(hits_per_request: float) -> int:
    """What Firehose counts of a request with so many mean hits, as the collector packs them."""
    full, rest = divmod(hits_per_request, RECORD_BYTES // MEAN_HIT_BYTES)
    return sum(
        int(records) * math.ceil(hits * MEAN_HIT_BYTES / BILLED_BYTES) * BILLED_BYTES
        for records, hits in ((full, RECORD_BYTES // MEAN_HIT_BYTES), (1, rest))
    )


def _archive(settings: Settings, traffic: Traffic) -> Iterator[Line]:
    gigabytes_a_day = traffic.hits_per_day * GZIP_BYTES / GB
    objects = objects_per_day(settings, traffic) * DAYS
    months = _gigabyte_months(settings, traffic)
    yield Line(
        f"archive, after {traffic.days_kept} days",
        sum(months[storage] * gigabytes_a_day * price for storage, price in S3_GB_MONTH.items())
        + objects * (S3_PUT + S3_TO_INFREQUENT + S3_TO_INSTANT),
        f"{gigabytes_a_day * traffic.days_kept:.0f} GB in three classes, {objects:.0f} objects a month written and moved",
    )
    for storage, since in (
        ("infrequent", settings.archive.infrequent_after_days),
        ("instant", settings.archive.instant_retrieval_after_days),
    ):
        yield Line(
            f"a replay of 30 dates older than {since} days",
            DAYS * gigabytes_a_day * S3_READ_GB[storage] + objects * S3_GET[storage],
            "once: retrieval and reads, not part of the month",
        )


def objects_per_day(settings: Settings, traffic: Traffic) -> float:
    """Objects that Firehose closes: by age, or by size where that comes first."""
    by_age = 86_400 / max(settings.delivery.buffer_seconds, 1)
    by_size = traffic.hits_per_day * MEAN_HIT_BYTES / (settings.delivery.buffer_mebibytes * 2**20)
    return max(by_age, by_size)


def _gigabyte_months(settings: Settings, traffic: Traffic) -> dict[str, int]:
    """Days of hits that lie in each class of storage after `days_kept` days."""
    first, second = settings.archive.infrequent_after_days, settings.archive.instant_retrieval_after_days
    kept = traffic.days_kept
    return {
        "standard": min(kept, first),
        "infrequent": max(min(kept, second) - first, 0),
        "instant": max(kept - second, 0),
    }


def table(settings: Settings, traffic: Traffic, alarm_metrics: int) -> str:
    """The estimate as a Markdown table, with what Snowpipe takes below it."""
    lines = estimate(settings, traffic, alarm_metrics)
    monthly = [line for line in lines if not line.part.startswith("a replay")]
    total = sum(line.month for line in monthly)
    rows = [f"| {line.part} | {line.month:.2f} | {line.why} |" for line in lines]
    credits = traffic.hits_per_day * DAYS * MEAN_HIT_BYTES / GB * SNOWPIPE_CREDITS_GB
    per_million = total / (traffic.hits_per_day * DAYS / 1e6)
    return "\n".join(
        [
            f"{traffic.hits_per_day:,} hits a day, {traffic.hits_per_request:g} a request:",
            "",
            "| part | $ a month | |",
            "|---|---|---|",
            *rows,
            f"| **a month** | **{total:.2f}** | {per_million:.2f} a million hits |",
            "",
            f"Snowflake besides: {credits:.2f} credits of Snowpipe, up to {settings.snowflake.monthly_credits} of the platform's "
            f"warehouse and {settings.snowflake.reader_monthly_credits} of the readers'.",
        ]
    )
