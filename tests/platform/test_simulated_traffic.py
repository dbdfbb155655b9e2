"""The asset that writes simulated traffic, materialized as from the UI's launchpad."""

from __future__ import annotations

import gzip
import re
from datetime import date
from pathlib import Path

import pytest
from dagster import DagsterInstance, materialize

from ingestion_platform import settings as environment
from ingestion_platform.assets.simulated.traffic import traffic_asset
from ingestion_platform.partitions import backfill_policy, daily_partitions
from ingestion_platform.resources.environments import archive


def _written(data_dir: Path, protocols: str) -> set[str]:
    """The protocols that the records of the day name; v1 is named by none."""
    settings = environment.read({"DATA_DIR": f"{data_dir}"})
    made = materialize(
        [traffic_asset(daily_partitions(date(2026, 1, 1)), backfill_policy(31), 300)],
        partition_key="2026-01-05",
        resources={"archive": archive(settings), "settings": settings},
        run_config={"ops": {"simulations__traffic": {"config": {"protocols": protocols}}}},
        instance=DagsterInstance.ephemeral(),
    )
    assert made.success
    lines = b"".join(gzip.decompress(path.read_bytes()) for path in data_dir.rglob("*.gz"))
    return {name.decode() for name in re.findall(rb'"protocol":"(\w+)"', lines)}


def test_traffic_speaks_the_protocols_it_is_told(tmp_path: Path) -> None:
    """Only v1 could be had from the UI."""
    assert _written(tmp_path / "v1", "") == set()
    assert _written(tmp_path / "all", "v1=0.4,ga4=0.2,ga4_mp=0.2,segment=0.2") == {"ga4", "ga4_mp", "segment"}


def test_a_protocol_that_nobody_speaks_is_refused_by_name(tmp_path: Path) -> None:
    """A typing error would be a day of v1."""
    with pytest.raises(Exception, match=r"protocols names 'v2': a protocol is one of v1, ga4"):
        _written(tmp_path, "v2=1")
