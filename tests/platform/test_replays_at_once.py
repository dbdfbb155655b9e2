"""Two commands at once on one DATA_DIR, as two shells would run them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ingestion_platform.dates import ONE_DAY, Window

_RAW = "select * exclude (log_timestamp) from raw.logs order by all"


def test_two_replays_of_other_dates_come_to_what_one_over_all_does(make_place: Callable[..., Any]) -> None:
    """Both load, build and publish at the same time, neither waits for the other's run or fails, and no row depends on it: neither of the dates
    where they meet, whose sessions go on over midnight, nor of what both load."""
    both, one = make_place(), make_place()
    window = Window(both.past(8), both.past(2))
    middle = window.start + 3 * ONE_DAY
    for day in window.days:
        both.simulate(day)
    for name in ("archive", "truth"):
        shutil.copytree(both.settings.data_dir / name, one.settings.data_dir / name)

    def replay(place: Any, dates: Window) -> Any:
        return place.command("replay", "--from", f"{dates.start}", "--to", f"{dates.days[-1]}", BUILDS_AT_ONCE="2")

    halves = (Window(window.start, middle), Window(middle, window.end))
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda dates: replay(both, dates), halves))
    assert [(done.returncode, done.stderr) for done in ended] == [(0, ""), (0, "")]
    with both.instance_of_commands() as instance:
        runs = instance.get_run_records()
    assert len(runs) == 2
    assert max(run.start_time for run in runs) < min(run.end_time for run in runs), "they did not run at once"
    assert len(both.rows("select * from raw.publications")) == 2

    done = replay(one, window)
    assert done.returncode == 0, done.stderr
    assert both.everything() == one.everything()
    assert both.rows(_RAW) == one.rows(_RAW)
    assert both.count("events.logs") > 0
