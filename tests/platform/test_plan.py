"""What a replay would do, said before it does it: held against what it then does."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from ingestion_platform.measures import Measure
from ingestion_platform.plan import Earlier, expected


def said(done: subprocess.CompletedProcess[str]) -> dict[str, int | None]:
    """Objects, hits and seconds of a plan's sentence."""
    assert done.returncode == 0, done.stderr
    found = re.search(
        r": ([\d,]+) objects .*?, about ([\d,]+) hits to model; (?:about ([\d,]+) s|seconds unknown)", done.stdout
    )
    assert found is not None, done.stdout
    return dict(
        zip(("objects", "hits", "seconds"), (n and int(n.replace(",", "")) for n in found.groups()), strict=True)
    )


def test_a_plan_says_what_the_replay_then_does(place: Any) -> None:
    """Nothing loaded, everything up to date, one late object: which dates and why, objects, hits, and once a run was measured, seconds."""
    dates = ("--from", f"{place.past(3)}", "--to", f"{place.past(2)}")
    for back in (3, 2):
        place.simulate(place.past(back), hits=300)
    objects = len(place.archive.objects(place.past(3), place.past(1)))
    new = place.command("plan", *dates)
    assert f"{place.past(3)} to {place.past(2)}" in new.stdout and "never built" in new.stdout
    assert (said(new)["objects"], said(new)["seconds"]) == (objects, None)
    assert not (place.settings.data_dir / "warehouse.duckdb").exists()

    assert place.command("replay", *dates).returncode == 0
    done = place.command("plan", *dates)
    assert "nothing new" in done.stdout
    of_dates = place.rows(
        f"select count(*) from raw.logs where event_date between date '{place.past(3)}' and date '{place.past(2)}'"
    )[0][0]
    assert (said(done)["objects"], said(done)["hits"]) == (0, of_dates)
    assert abs((said(new)["hits"] or 0) - of_dates) < of_dates / 2, "bytes of a hit are guessed before any is loaded"
    assert said(done)["seconds"] is not None

    key = place.archive.objects(place.past(2), place.past(1))[0].key
    place.archive.put(f"{key.rpartition('/')[0]}/late.jsonl.gz", place.archive.read(key))
    late = place.command("plan", *dates)
    assert said(late)["objects"] == 1
    assert "new objects" in late.stdout


@pytest.mark.parametrize(
    ("load", "hits", "seconds"), [(0, 0, 7.0), (100, 1_000, 7 + 3 + 2), (1_000, 10_000, 7 + 12 + 20)]
)
def test_seconds_follow_what_earlier_runs_took(load: int, hits: int, seconds: float) -> None:
    """Loads of 2 s and 10 ms a byte, builds of 2 ms a hit, 7 s of the rest."""
    earlier = [
        Earlier(Measure(size, 2 + size / 100), Measure(10 * size, size / 50), rest=7.0) for size in (50, 200, 800)
    ]
    assert expected(earlier, load, hits) == pytest.approx(seconds if load else 7 + 2, abs=0.01)
