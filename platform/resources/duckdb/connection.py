"""How the embedded warehouse's file is opened: for a call and no longer, so that dbt's process can open it in between."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ingestion_platform.resources.warehouse import WarehouseError


@contextmanager
def connection(
    path: Path, config: Mapping[str, str | bool | int | float | list[str]], lock_wait: float, read_only: bool
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The open file, closed whatever happens. One that another process holds is waited for, `lock_wait` seconds at most."""
    opened = _open(path, config, lock_wait, read_only)
    try:
        yield opened
    finally:
        opened.close()


def _open(
    path: Path, config: Mapping[str, str | bool | int | float | list[str]], lock_wait: float, read_only: bool
) -> duckdb.DuckDBPyConnection:
    if read_only and not path.exists():
        raise WarehouseError(f"there is no warehouse at {path} yet; materialize raw/logs first (make demo does)")
    give_up = time.monotonic() + lock_wait
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config=dict(config))
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise WarehouseError(f"cannot open {path}: {str(error).splitlines()[0]}") from error
            if time.monotonic() >= give_up:
                raise WarehouseError(
                    f"{path} is held by another process for more than {lock_wait:.0f} s; close it and run again "
                    f"({str(error).splitlines()[0]})"
                ) from error
        time.sleep(0.2)
