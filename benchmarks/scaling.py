"""How a replay grows: with the hits at the same number of dates, and with the dates at the same number of hits.

A replay costs a start, something for each hit and something for each date. What a hit costs must not depend on how many
there are, so it is taken between neighbouring sizes (the difference in time over the difference in hits), where the start
cancels out; what a date costs is taken between the fewest and the most dates.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.replay import replay, simulate

Point = dict[str, Any]


def run(
    folder: Path,
    sizes: Sequence[int],
    dates: int,
    spread: int,
    over: Sequence[int],
    known: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Replay each of `sizes` hits over `dates`, and `spread` hits over each of `over` dates.

    `known` is a result of `replay.run` whose replay stands for its size, so that it is not measured again.
    """
    by_hits = [_point(folder, hits, dates) for hits in sizes]
    by_dates = [
        by_hits[sizes.index(spread)] if number == dates and spread in sizes else _point(folder, spread, number)
        for number in over
    ]
    if known is not None:
        by_hits.append({"hits": known["hits"], "dates": known["dates"], **known["replay"]})
    return {"by_hits": by_hits, "by_dates": by_dates, **slopes(by_hits, by_dates)}


def slopes(by_hits: list[Point], by_dates: list[Point]) -> dict[str, Any]:
    """What a further hit and a further date cost, and the steepest slope against the first, which 1 would be flat for.

    Hits in microseconds, dates in seconds; "cpu" in processor time.
    """
    found: dict[str, Any] = {"us_a_further_hit": {}, "s_a_further_date": {}, "steepest_against_first": {}}
    points = sorted(by_hits, key=lambda point: int(point["hits"]))
    few, many = by_dates[0], by_dates[-1]
    for name, field in (("wall", "seconds"), ("cpu", "cpu_seconds")):
        further = [(b[field] - a[field]) / (b["hits"] - a["hits"]) * 1e6 for a, b in pairwise(points)]
        found["us_a_further_hit"][name] = [round(slope, 2) for slope in further]
        found["steepest_against_first"][name] = round(max(further) / further[0], 2) if further[0] > 0 else None
        found["s_a_further_date"][name] = round((many[field] - few[field]) / (many["dates"] - few["dates"]), 3)
    return found


def _point(folder: Path, hits: int, dates: int) -> Point:
    place = folder / f"{hits}-over-{dates}"
    traffic = simulate(place, hits, dates)
    found = replay(traffic)
    shutil.rmtree(place)
    return {
        "hits": traffic.hits,
        "dates": dates,
        **found.cost.as_dict(traffic.hits),
        **found.disk,
        "stages": found.stages,
    }
