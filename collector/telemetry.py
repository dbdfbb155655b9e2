"""What Lambda logs: one JSON line a request, in CloudWatch's embedded metric format, so that the counters in it become
metrics without a call. No address, no id of a visitor and no payload is in it: statuses, reason codes, durations.
"""

from __future__ import annotations

import json
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from collector.delivery import Delivery
from collector.outcomes import ACCEPTED
from collector.settings import CloudSettings

_METRICS = [
    {"Name": "Accepted", "Unit": "Count"},
    {"Name": "Rejected", "Unit": "Count"},
    {"Name": "Undelivered", "Unit": "Count"},
    {"Name": "Queued", "Unit": "Count"},
    {"Name": "Retries", "Unit": "Count"},
    {"Name": "Duration", "Unit": "Milliseconds"},
]


def log_request(
    cloud: CloudSettings,
    *,
    request_id: str | None,
    status: int,
    counts: Counter[str],
    delivery: Delivery,
    milliseconds: float,
) -> None:
    """Log an answered request. `Undelivered` counts hits that nobody was told are stored, whatever their outcome."""
    rejected = {reason: count for reason, count in counts.items() if reason != ACCEPTED}
    line: dict[str, Any] = {
        "_aws": {
            "Timestamp": time.time_ns() // 1_000_000,
            "CloudWatchMetrics": [
                {"Namespace": cloud.metrics_namespace, "Dimensions": [["DeliveryStream"]], "Metrics": _METRICS}
            ],
        },
        "DeliveryStream": cloud.delivery_stream,
        "Accepted": counts[ACCEPTED],
        "Rejected": sum(rejected.values()),
        "Undelivered": len(delivery.undelivered),
        "Queued": delivery.queued,
        "Retries": delivery.retries,
        "Duration": round(milliseconds, 3),
        "level": "WARNING" if delivery.undelivered or delivery.queued else "INFO",
        "request_id": request_id,
        "status": status,
        "reasons": rejected,
        "delivery_error": delivery.error,
    }
    _write(line)


def log_failure(error: Exception) -> None:
    """Log a defect of ours: its type and where it happened. Its message stays out, it may quote what a visitor sent."""
    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    _write({"level": "ERROR", "error": type(error).__name__, "at": frames[-5:]})


def _write(line: dict[str, Any]) -> None:
    print(json.dumps(line, separators=(",", ":")), flush=True)
