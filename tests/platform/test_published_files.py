"""Published Parquet of different ages, and of dates without a hit, reads together: docs/lake.md reads them by pattern."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion_platform.dates import Window
from ingestion_platform.resources.proposals import WarehouseError
from ingestion_platform.resources.published_files import align
from ingestion_platform.resources.warehouse import PUBLISHED


def test_files_of_an_older_version_read_together_with_new_ones(place: Any) -> None:
    """A model had gained a column: DuckDB takes the columns of the first file, and the README's query ended in an error, or
    missed the column, by the date that was replayed. Values of dates that were not replayed stay."""
    place.simulate(place.past(4))
    assert place.launch("replay", Window(place.past(4), place.past(3))).success
    folder = place.settings.published_dir / "overview_1d"
    old = folder / f"{place.past(4)}.parquet"
    today = pq.read_table(old)
    narrow = today.set_column(today.column_names.index("hits"), "hits", today["hits"].cast(pa.int32()))
    pq.write_table(narrow.drop_columns(["bot_hits"]).append_column("dropped", today["hits"]), old)

    assert place.launch("replay", Window(place.past(3), place.past(2))).success, "a date without a hit"
    for name in (relation.partition(".")[2] for relation in PUBLISHED):
        columns = {
            tuple(zip(found.names, found.types, strict=True))
            for found in map(pq.read_schema, (place.settings.published_dir / name).glob("*"))
        }
        assert len(columns) == 1, f"{name}: dates differ in their columns"
    read = duckdb.sql(f"select * from '{folder}/*.parquet' where event_date = '{place.past(4)}' order by all")
    assert read.columns == today.column_names
    expected = duckdb.sql("select * replace (null::bigint as bot_hits) from today order by all")
    assert read.fetchall() == expected.fetchall()


def test_a_file_that_cannot_have_today_s_columns_is_named(tmp_path: Any) -> None:
    """It is neither passed over in silence nor turned into nulls."""
    pq.write_table(pa.table({"hits": ["many"]}), tmp_path / "2026-01-01.parquet")
    pq.write_table(pa.table({"hits": [1]}), tmp_path / "2026-01-02.parquet")
    with pytest.raises(WarehouseError, match=r"2026-01-01.parquet does not fit .* remove it and replay"):
        align(tmp_path, tmp_path / "2026-01-02.parquet")
    assert pq.read_table(tmp_path / "2026-01-01.parquet").to_pylist() == [{"hits": "many"}]
