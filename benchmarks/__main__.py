"""`python -m benchmarks`: measure the parts, print what they come to, and write benchmarks/results/<date>.json and .png.

    python -m benchmarks                      default sizes, about seven minutes on an idle machine with two cores
    python -m benchmarks --full               10 million hits beside floor and ancestor, growth up to 36 million: 80 minutes, 40 GB of disk
    python -m benchmarks --check              default sizes, then: which ratios moved against the last committed results; writes nothing
    python -m benchmarks replay tick          only these parts
    python -m benchmarks --before CHECKOUT    only the part `before`: a million hits beside another state, in a checkout with a .venv of its own

Work happens in a temporary folder under build/, which is removed. Timings decide nothing: the exit code is 0 unless
something could not be measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import (
    before,
    collector,
    figures,
    lake,
    orchestration,
    protocols,
    readers,
    replay,
    report,
    scaling,
    simulation,
    tick,
)
from benchmarks.measure import PROJECT_DIR, BenchmarkError, machine


@dataclass(frozen=True)
class Sizes:
    """How much is measured. `scaling_hits` and the replay's own size are replayed over `dates`. `seed_again` is whether the
    ancestor's second run is measured as well."""

    name: str
    hits: int
    dates: int
    seed_again: bool
    scaling_hits: tuple[int, ...]
    spread_hits: int
    spread_dates: tuple[int, ...]
    tick_hits_per_day: int
    histories: tuple[int, ...]
    backfill_dates: int
    collector_seconds: float
    simulation_seconds: float
    lake_dates: int
    before_hits: int
    readers_seconds: float


DEFAULT = Sizes(
    "default", 500_000, 10, False, (100_000, 250_000), 100_000, (1, 31), 1_000, (0, 30), 31, 12.0, 10.0, 1_096, 1_000_000, 60.0
)  # fmt: skip
FULL = Sizes(
    "full", 10_000_000, 10, True, (100_000, 1_000_000, 36_000_000), 1_000_000, (1, 10, 100), 20_000, (0, 10, 90), 90, 60.0, 60.0, 1_096, 1_000_000, 600.0
)  # fmt: skip
TINY = Sizes("tiny", 3_000, 2, True, (1_000,), 1_000, (1, 2), 300, (0, 2), 2, 2.0, 1.0, 40, 1_000, 20.0)

PARTS = ("replay", "scaling", "tick", "orchestration", "collector", "protocols", "simulation", "lake", "readers")

_HITS_A_BACKFILLED_DATE = 200


def measure(
    sizes: Sizes,
    parts: Sequence[str],
    folder: Path,
    out: Console,
    keep: Callable[[report.Result], object] = lambda result: None,
    checkout: Path | None = None,
) -> report.Result:
    """Measure `parts` in `folder`, one after the other, and then beside the state in `checkout`; returns the result. A part that fails is
    named and left out.

    `keep` gets the result after each part, so that a run that is stopped leaves what it has.
    """
    result: report.Result = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sizes": sizes.name,
        "machine": machine(),
        "parts": {},
        "failed": {},
    }
    found = result["parts"]
    works: dict[str, Callable[[], dict[str, Any]]] = {
        "replay": lambda: replay.run(
            replay.simulate(folder / "replay", sizes.hits, sizes.dates), seed_again=sizes.seed_again
        ),
        "scaling": lambda: scaling.run(
            folder, sizes.scaling_hits, sizes.dates, sizes.spread_hits, sizes.spread_dates, found.get("replay")
        ),
        "tick": lambda: tick.run(folder / "tick", sizes.tick_hits_per_day, sizes.histories),
        "orchestration": lambda: orchestration.run(
            replay.simulate(
                folder / "orchestration", sizes.backfill_dates * _HITS_A_BACKFILLED_DATE, sizes.backfill_dates
            )
        ),
        "collector": lambda: collector.run(sizes.collector_seconds),
        "protocols": lambda: protocols.run(sizes.collector_seconds),
        "simulation": lambda: simulation.run(sizes.simulation_seconds),
        "lake": lambda: lake.run(folder / "lake", sizes.lake_dates),
        "readers": lambda: readers.run(folder / "readers", sizes.tick_hits_per_day, sizes.readers_seconds),
    }
    if checkout is not None:
        works["before"] = lambda: before.run(
            replay.simulate(folder / "before", sizes.before_hits, sizes.dates), checkout
        )
    for name in works:
        if name not in (*parts, "before"):
            continue
        began = datetime.now(UTC)
        out.print(f"[dim]{began:%H:%M:%S}[/] measuring {name}")
        try:
            found[name] = works[name]()
        except (BenchmarkError, OSError) as error:
            result["failed"][name] = f"{error}"
            out.print(f"{name} could not be measured: {error}", style="red")
        result["machine"]["load_average_after"] = machine()["load_average"]
        result["ratios"] = figures.ratios(found)
        keep(result)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, formatter_class=_Plain)
    options.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all of them unless named)")
    options.add_argument("--full", action="store_true", help="the sizes of the published figures")
    options.add_argument(
        "--tiny", action="store_true", help="sizes that only show that the harness works; writes nothing"
    )
    options.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="another state to replay beside; no other part unless named"
    )
    options.add_argument("--check", action="store_true", help="compare with the last committed results; writes nothing")
    options.add_argument(
        "--results", type=Path, default=report.RESULTS, metavar="FOLDER", help="where results are written"
    )
    chosen = options.parse_args(arguments)
    unknown = sorted(set(chosen.parts) - set(PARTS))
    if unknown:
        options.error(f"there is no part {unknown[0]!r}; the parts are {', '.join(PARTS)}")
    sizes = FULL if chosen.full else TINY if chosen.tiny else DEFAULT
    out = Console(highlight=False, soft_wrap=True)
    writes = not chosen.check and not chosen.tiny
    keep = partial(report.save, folder=chosen.results) if writes else lambda result: None
    try:
        committed = report.last_committed(sizes.name) if chosen.check else None
        build = PROJECT_DIR / "build"
        build.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as folder:
            parts = chosen.parts or (() if chosen.before else PARTS)
            checkout = chosen.before.absolute() if chosen.before else None
            result = measure(sizes, parts, Path(folder), out, keep, checkout)
    except KeyboardInterrupt:
        print("Stopped; parts that were done by then are in the results.", file=sys.stderr)
        return 130
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    report.show(result, out)
    if committed is not None:
        report.show_moved(*committed, result, out)
    elif writes:
        out.print(f"Written: {report.save(result, chosen.results)} and its picture")
    return 1 if result["failed"] else 0


class _Plain(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    sys.exit(main())
