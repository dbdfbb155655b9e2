"""The command and the job `recollect`; what they do to marts is in tests/models/test_recollection.py."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from isal import igzip

from collector.archive_keys import RECOLLECTED, parse_key
from ingestion_platform.dates import ONE_DAY, Window
from simulations.config import TrafficConfig
from simulations.history import write_day

PROTOCOLS = (("ga4", 0.3), ("ga4_mp", 0.3), ("segment", 0.3))


def test_rules_that_did_not_change_change_nothing_and_mended_ones_are_applied(place: Any) -> None:
    """A date of traffic in all protocols, with broken lines, repeats and refusals, is left as it is; a hit that is damaged in it is
    corrected by the job, once."""
    day = place.past(3)
    shape = TrafficConfig(hits_per_day=400, outages=0.0, late_objects=0.0, objects_per_hour=1, protocols=PROTOCOLS)
    write_day(place.archive.put, day, shape, place.settings.data_dir / "elsewhere")
    done = place.command("recollect", "--from", f"{day}", "--to", f"{day}")
    assert done.returncode == 0, done.stderr
    assert "Nothing differs" in done.stdout and "as they were" in done.stdout

    item, lines, at = next(
        (item, lines, at)
        for item in place.archive.objects(day, day + ONE_DAY)
        for lines in [igzip.decompress(place.archive.read(item.key)).splitlines(keepends=True)]
        for at, line in enumerate(lines)
        if b'"protocol":"segment"' in line and b'"original"' in line
    )
    wrong = json.loads(lines[at])
    wrong["request"]["body"]["ea"] = "translated by a rule that was wrong"
    lines[at] = json.dumps(wrong, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    place.archive.put(item.key, igzip.compress(b"".join(lines)))

    config = {"first": f"{day}", "protocols": ["segment"]}
    for objects in (1, 0):
        run = place.launch("recollect", run_config={"ops": {"recollect_records": {"config": config}}})
        assert run.success
        arrived = place.archive.objects(place.today, place.today + timedelta(days=2))
        written = [one for one in arrived if getattr(parse_key(one.key), "stream", "") == RECOLLECTED]
        assert len(written) == 1
        (output,) = [event for event in run.all_events if event.is_successful_output]
        metadata = output.step_output_data.metadata
        assert metadata["objects written"].value == objects
    (line,) = igzip.decompress(place.archive.read(written[0].key)).splitlines()
    corrected = json.loads(line)
    assert corrected["event_id"] == wrong["event_id"] and corrected["revision"] == 1
    assert corrected["request"]["body"].get("ea") != wrong["request"]["body"]["ea"]
    assert place.launch("replay", Window(day, place.today + ONE_DAY)).success
    assert place.rows("select count(*) from events.duplicates where duplicate_kind = 'superseded'") == [(1,)]


def test_a_recollection_without_dates_names_what_is_missing(place: Any) -> None:
    """One line, as of a replay."""
    done = place.command("recollect", "--from", "", "--to", "")
    assert done.returncode == 1 and "FROM and TO not given: make recollect FROM=" in done.stderr
