"""Acknowledged = archived, under SIGKILL: the server is killed at random moments under load, again and again."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from collector.local_process import running_collector, start_collector

ROUNDS = 24
CLIENTS = 6


class Pump(threading.Thread):
    """Sends hits and batches until the server is gone, and remembers what was acknowledged."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__()
        self.acknowledged: list[str] = []
        self._address = urlsplit(url)
        self._is_batch = number % 3 == 0

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=10)
        try:
            while True:
                self._send(connection)
        except (OSError, http.client.HTTPException):
            return

    def _send(self, connection: http.client.HTTPConnection) -> None:
        if not self._is_batch:
            connection.request("POST", "/collect", "t=event&cid=c")
            response = connection.getresponse()
            response.read()
            if response.status == 200:
                self.acknowledged.append(response.headers["X-Event-Id"])
            return
        connection.request("POST", "/batch", "\n".join(["t=event&cid=c"] * 10))
        response = connection.getresponse()
        outcomes = json.loads(response.read())["hits"]
        self.acknowledged += [line["event_id"] for line in outcomes if line["status"] == 200]


def test_nothing_acknowledged_is_lost_under_sigkill(
    tmp_path: Path, archived: Callable[[Path], list[dict[str, Any]]]
) -> None:
    """Journals are small, so that kills hit commits, rotations, deliveries and recoveries alike; half of the rounds
    run two workers. Each start recovers what the round before left; the last one drains."""
    chance = random.Random(20260101)
    acknowledged: list[str] = []
    environment = {"ROTATE_BYTES": "20000", "ROTATE_SECONDS": "0.1"}
    for number in range(ROUNDS):
        collector = start_collector(tmp_path, workers=1 + number % 2, environment=environment)
        pumps = [Pump(collector.url, client) for client in range(CLIENTS)]
        for pump in pumps:
            pump.start()
        time.sleep(chance.uniform(0.05, 0.8))
        collector.kill()
        for pump in pumps:
            pump.join(timeout=20)
            assert not pump.is_alive()
            acknowledged += pump.acknowledged
    with running_collector(tmp_path):
        pass
    assert len(acknowledged) > ROUNDS * 20
    counts = Counter(record["event_id"] for record in archived(tmp_path))
    missing = [event_id for event_id in acknowledged if event_id not in counts]
    assert missing == []
    assert max(counts.values()) == 1  # a delivery that is done again writes the same object again
    assert not list((tmp_path / "spool").glob("*-*"))
    assert not list((tmp_path / "archive").rglob("*.tmp"))
