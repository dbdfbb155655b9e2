"""What a benchmark's results say: ratios first, absolute figures second, a picture, and what moved since the last committed ones.

A result is a JSON object: `measured_at`, `sizes` (default or full), `machine`, `parts` (one object a part, as it was measured)
and `ratios` (name to number). Ratios come of runs side by side and can be compared between machines; absolute figures cannot.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import FIGURES, RATIOS, Ratio
from benchmarks.measure import PROJECT_DIR, BenchmarkError

RESULTS = Path(__file__).parent / "results"
MOVED = 0.25

Result = dict[str, Any]


def show(result: Result, out: Console) -> None:
    """Print a result: ratios, figures, where a replay's time went, growth as a chart."""
    parts = result["parts"]
    busy = ", ".join(f"{value:g}" for value in result["machine"]["load_average"])
    out.print(
        f"{result['machine']['processor']}, {result['machine']['cores']} cores, {result['machine']['memory_gb']} GB; "
        f"load average before: {busy}"
    )
    if result["sizes"] != "full" and "replay" in parts:
        out.print("Aims of a replay are for the sizes of --full: at fewer hits starting up weighs more.")
    out.print(_table("Ratios", RATIOS, parts))
    out.print(_table("Figures of this machine", FIGURES, parts))
    for name, why in parts.get("replay", {}).items():
        if name.endswith("_stopped"):
            out.print(f"The ancestor's SQL did not come to an end, so its ratio is a lower bound: {why}\n")
        elif name.endswith("_failed"):
            out.print(f"The ancestor's SQL failed: {why}\n")
    if "replay" in parts:
        out.print(_stages(parts["replay"]))
    if "scaling" in parts:
        out.print(_growth(parts["scaling"]["by_hits"], "hits", "A replay by hits"))
        out.print(_growth(parts["scaling"]["by_dates"], "dates", "A replay by dates, of the same hits"))


def _table(title: str, lines: tuple[Ratio, ...], parts: Mapping[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    table.add_column("")
    table.add_column("measured", justify="right")
    table.add_column("aim")
    for line in lines:
        value = line.of(parts)
        if value is not None:
            table.add_row(line.meaning, f"{value:,.2f}" if value < 100 else f"{value:,.0f}", line.verdict(value))
    return table


def _stages(part: Mapping[str, Any]) -> Table:
    seconds = part["replay"]["seconds"]
    table = Table(
        title=f"Where the {seconds:.1f} s of the replay went", title_justify="left", box=None, header_style="bold"
    )
    for name in ("stage", "seconds", "share"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage, taken in part["stages"].items():
        table.add_row(stage, f"{taken:.2f}", f"{taken / seconds:.0%}")
    return table


def _growth(points: list[Mapping[str, Any]], by: str, title: str) -> Table:
    """Seconds of wall time as bars, a line a point."""
    longest = max(point["seconds"] for point in points)
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    table.add_column(by, justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("processor", justify="right")
    table.add_column("")
    for point in sorted(points, key=lambda point: float(point[by])):
        bar = "█" * max(1, round(point["seconds"] / longest * _BAR))
        table.add_row(f"{point[by]:,}", f"{point['seconds']:.1f}", f"{point['cpu_seconds']:.1f}", f"[cyan]{bar}[/]")
    return table


_BAR = 40


def draw(result: Result, path: Path) -> None:
    """Write a picture of the result: where the time went, growth by hits and by dates, the refresh by history."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot, ticker

    parts = result["parts"]
    figure, ((stages, rivals), (growth, others)) = pyplot.subplots(2, 2, figsize=(13, 9), layout="constrained")
    if "replay" in parts:
        slowest = list(parts["replay"]["stages"].items())[:12][::-1]
        stages.barh([name for name, _ in slowest], [taken for _, taken in slowest], color="#2f6f9f")
        stages.set(title="Where a replay's time goes", xlabel="seconds")
        ways = {name: parts["replay"][name] for name in ("floor", "bare", "replay", "seed") if name in parts["replay"]}
        at = range(len(ways))
        rivals.bar([n - 0.2 for n in at], [way["seconds"] for way in ways.values()], 0.4, label="wall", color="#2f6f9f")
        rivals.bar(
            [n + 0.2 for n in at],
            [way["cpu_seconds"] for way in ways.values()],
            0.4,
            label="processor",
            color="#d98c3f",
        )
        rivals.set_xticks(list(at), list(ways))
        rivals.set(title=f"{parts['replay']['hits']:,} hits over {parts['replay']['dates']} dates", ylabel="seconds")
        rivals.legend()
    if "scaling" in parts:
        for axes, points, by in ((growth, "by_hits", "hits"), (others, "by_dates", "dates")):
            ordered = sorted(parts["scaling"][points], key=lambda point: float(point[by]))
            for field, label, colour in (("seconds", "wall", "#2f6f9f"), ("cpu_seconds", "processor", "#d98c3f")):
                axes.plot([p[by] for p in ordered], [p[field] for p in ordered], "o-", label=label, color=colour)
            axes.set(title=f"A replay by {by}", xlabel=by, ylabel="seconds", ylim=(0, None))
            axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
            axes.legend()
    busy = result["machine"]["load_average"][0]
    figure.suptitle(
        f"{result['measured_at'][:10]}, {result['machine']['cores']} cores, load average {busy:g} before the run"
    )
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def save(result: Result, folder: Path = RESULTS) -> Path:
    """Write a result and its picture into `folder`, named by date (and size); returns the JSON file."""
    folder.mkdir(parents=True, exist_ok=True)
    name = result["measured_at"][:10] + ("" if result["sizes"] == "default" else f"-{result['sizes']}")
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    draw(result, path.with_suffix(".png"))
    return path


def last_committed(sizes: str, git: Callable[..., str] | None = None) -> tuple[str, Result]:
    """The newest result of these sizes that is committed, and its file's name. Raises BenchmarkError when there is none."""
    ask = git or _git
    folder = RESULTS.relative_to(PROJECT_DIR).as_posix()
    names = sorted(
        line for line in ask("ls-tree", "--name-only", "HEAD", f"{folder}/").splitlines() if line.endswith(".json")
    )
    for name in reversed(names):
        found: Result = json.loads(ask("show", f"HEAD:{name}"))
        if found["sizes"] == sizes:
            return Path(name).name, found
    raise BenchmarkError(
        f"no result of {sizes} sizes is committed under {folder}; run the benchmarks and commit what they write"
    )


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise BenchmarkError(f"git {arguments[0]} failed: {' '.join(answer.stderr.split())[:200]}")
    return answer.stdout


def moved(before: Mapping[str, float], now: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Ratios that are in both and differ by more than a quarter: (path, before, now)."""
    both = [(path, before[path], now[path]) for path in before if path in now]
    return [(path, old, new) for path, old, new in both if abs(new - old) > MOVED * abs(old)]


def show_moved(name: str, before: Result, now: Result, out: Console) -> None:
    """Print which ratios moved against the result of file `name`."""
    changes = moved(before["ratios"], now["ratios"])
    compared = len(before["ratios"].keys() & now["ratios"].keys())
    if not changes:
        out.print(f"None of {compared} ratios moved by more than {MOVED:.0%} against {name}.")
        return
    table = Table(
        title=f"Moved by more than {MOVED:.0%} against {name}", title_justify="left", box=None, header_style="bold"
    )
    for column in ("ratio", "then", "now", "change"):
        table.add_column(column, justify="left" if column == "ratio" else "right")
    for path, old, new in changes:
        table.add_row(path, f"{old:,.2f}", f"{new:,.2f}", f"{new / old - 1:+.0%}" if old else "")
    out.print(table)
    out.print(f"{compared - len(changes)} others did not.")
