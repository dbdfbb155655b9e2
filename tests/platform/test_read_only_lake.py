"""A lake of which a part can only be read while a run loads, stages or publishes: one line, nothing changed, and the same run completes it later.

A mount in a namespace of its own does it: permissions mean nothing to root.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion_platform.dates import Window

_MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"'


def read_only(folder: Path, *command: str) -> list[str]:
    """A command that sees `folder` as one that can only be read."""
    return ["unshare", "--mount", "sh", "-c", f'{_MOUNTED} && exec "$@"', f"{folder}", *command]


def test_a_lake_that_can_only_be_read_for_a_while(make_place: Callable[..., Any], tmp_path: Path) -> None:
    """Whichever of its folders that is: what is published stays, nothing of the run is left behind that anybody sees."""
    probe = read_only(tmp_path, "true")
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("a mount of its own needs Linux and its root")
    place, other = make_place(), make_place()
    window = Window(place.past(5), place.past(3))
    dates = ("--from", f"{window.start}", "--to", f"{window.days[-1]}")
    for one in (place, other):
        one.simulate(window.start)
    assert place.command("replay", *dates).returncode == 0
    before = place.everything(), place.count("raw.logs")
    for one in (place, other):
        one.simulate(window.days[-1])

    lake = place.settings.data_dir / "lake"
    # What the run gets to do before it meets the folder, and whether it has loaded the new date by then.
    for folder, step, loaded in (
        (lake, "raw__logs", False),
        (lake / "staged", "models", True),
        (lake / "stats", "models", True),
    ):
        done = place.command("replay", *dates, under=lambda command, folder=folder: read_only(folder, *command))
        assert done.returncode == 1, (folder, done.stdout)
        (line,) = done.stderr.splitlines()
        assert f"failed in {step}: " in line and f"{lake}" in line
        assert place.everything() == before[0]
        assert (place.count("raw.logs") > before[1]) is loaded
        assert list((lake / "staged").iterdir()) == []

    for one in (place, other):
        done = one.command("replay", *dates)
        assert done.returncode == 0, done.stderr
    assert place.everything() == other.everything() != before[0]
