"""What starts by itself, and what is told to somebody: the late-objects sensor, the schedule, the alerts."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from dagster import build_sensor_context

from collector.archive_keys import object_key, parse_key
from ingestion_platform import settings as environment
from ingestion_platform.automation.alerts import alerts, failed_checks, message, post
from ingestion_platform.dates import ONE_DAY, Window


def look(place: Any, cursor: str | None) -> tuple[list[Any], str]:
    """One evaluation of the late-objects sensor: its run requests and the new cursor."""
    repository = place.located.get_repository_def()
    sensor = next(found for found in repository.sensor_defs if found.name == "late_objects")
    resources = {"archive": place.archive, "settings": place.settings}
    with build_sensor_context(instance=place.instance, cursor=cursor, resources=resources) as context:
        result = sensor.evaluate_tick(context)
        return list(result.run_requests or []), str(result.cursor)


def late_copy(place: Any, days: int) -> None:
    """Another object under a past date."""
    first = place.archive.objects(place.past(days), place.past(days) + ONE_DAY)[0]
    parsed = parse_key(first.key)
    assert parsed is not None
    key = object_key("late", parsed.arrived_at, "00000000-0000-4000-8000-000000000002")
    place.archive.put(key, place.archive.read(first.key))


@pytest.mark.dates
def test_an_object_under_an_old_date_starts_one_refresh(place: Any) -> None:
    """Late files that nobody notices are the field's known pain; the same state must not start a second run."""
    place.simulate(place.past(9))
    _, cursor = look(place, None)
    assert look(place, cursor)[0] == []
    late_copy(place, 9)
    (request,), cursor = look(place, cursor)
    assert request.run_key
    assert place.past(9).isoformat() in request.tags["clickstream/late_dates"]
    assert look(place, cursor)[0] == []


@pytest.mark.dates
def test_objects_of_yesterday_are_left_to_the_schedule(place: Any) -> None:
    """Ordinary traffic must not start a run every five minutes."""
    place.simulate(place.past(9))
    _, cursor = look(place, None)
    place.simulate(place.past(1))
    requests, cursor = look(place, cursor)
    assert requests == []
    assert place.past(1).isoformat() in json.loads(cursor), "a date that turns old at midnight has been seen"


@pytest.fixture
def hook() -> Iterator[tuple[str, list[str]]]:
    """A webhook on this machine: its address, and the texts it was sent."""
    received: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(body["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received
    server.shutdown()
    server.server_close()


def test_a_failed_run_and_its_failed_check_are_posted(place: Any, hook: tuple[str, list[str]]) -> None:
    """Who is on call must read which run, which check and which object, without opening anything."""
    url, received = hook
    window = Window(place.past(4), place.past(3))
    place.simulate(window.start)
    broken = place.archive.objects(window.start, window.end)[0]
    place.archive.put(broken.key, b"no gzip")
    run = place.launch("replay", window).dagster_run
    text = message(run, "a step failed", failed_checks(place.instance, run))
    assert text is not None
    assert post(url, text, logging.getLogger("test"))
    assert "objects_readable" in received[0]
    assert broken.key in received[0]
    assert run.run_id[:8] in received[0]


def test_nothing_is_posted_of_a_good_run(place: Any) -> None:
    """An alert for everything is read by nobody."""
    place.simulate(place.past(4))
    run = place.launch("hourly_refresh").dagster_run
    assert message(run, None, failed_checks(place.instance, run)) is None


def test_a_dead_webhook_blocks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An alert that cannot be delivered must not fail the sensor, nor write the secret address into the log."""
    assert post("http://127.0.0.1:9/secret", "text", logging.getLogger("test")) is False
    assert "not delivered" in caplog.text
    assert "secret" not in caplog.text


def test_alerts_are_off_unless_configured() -> None:
    """Nothing may be sent anywhere by default."""
    assert alerts(environment.read({})) == []
    named = {sensor.name for sensor in alerts(environment.read({"ALERT_WEBHOOK_URL": "http://127.0.0.1:9/"}))}
    assert named == {"alert_failure", "alert_checks"}
