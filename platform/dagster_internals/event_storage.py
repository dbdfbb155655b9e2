"""Dagster's SQLite event storage, writing the events of one asset's partitions in one transaction.

A run of 31 dates records more than a thousand events: planned and materialized, by asset and date, and results by check and
date. Dagster's own storage opens two databases and commits twice for each, 15 to 30 ms an event: half a minute a run. Dagster
hands batches to the storage when DAGSTER_EVENT_BATCH_SIZE is set, but its SQLite storage writes them one by one all the same;
this one does not. The files are the same: taking the entry out of dagster.yaml goes back to Dagster's. Can go when
SqliteEventLogStorage.store_event_batch writes batches itself. Dagster falls back to single writes when a batch fails.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, Self

from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorageTable, SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection

from ingestion_platform.dagster_internals.unreached_checks import ForgetsUnreachedChecks

_BATCHED = ASSET_EVENTS | ASSET_CHECK_EVENTS


class BatchingEventLogStorage(ForgetsUnreachedChecks, SqliteEventLogStorage):
    """`SqliteEventLogStorage` with one transaction a batch and database."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        # The connection of the batch that this thread is writing.
        self._open = threading.local()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        return cls(inst_data=inst_data, **config_value)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        batch = [event for event in events if event.is_dagster_event and event.dagster_event_type in _BATCHED]
        for event in events:
            if event.dagster_event_type not in _BATCHED:
                self.store_event(event)
        if len({event.run_id for event in batch}) != 1:
            super().store_event_batch(batch)
            return
        with self.run_connection(batch[0].run_id) as connection:
            self._insert(connection, batch)
        with self.index_transaction() as connection:
            stored = list(zip(batch, self._insert(connection, batch), strict=True))
            assets = [(event, at) for event, at in stored if event.dagster_event_type in ASSET_EVENTS]
            self._store_asset_event_tags(connection, [event for event, _ in assets], [at for _, at in assets])
            # What is kept of an asset itself is its newest event of a kind.
            newest = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): (event, at) for event, at in assets
            }
            for event, at in newest.values():
                self._store_asset_event(connection, event, at)
            # Checks go to a table of their own besides; Dagster's methods ask for a connection for each.
            self._open.connection = connection
            try:
                for event, at in stored:
                    if event.dagster_event_type in ASSET_CHECK_EVENTS:
                        self.store_asset_check_event(event, at)
            finally:
                self._open.connection = None

    def index_connection(self) -> AbstractContextManager[Connection]:
        connection: Connection | None = getattr(self._open, "connection", None)
        return nullcontext(connection) if connection is not None else super().index_connection()

    @cached_property
    def supports_asset_checks(self) -> bool:
        # Dagster looks for the table at every event.
        return bool(super().supports_asset_checks)

    def _insert(self, connection: Connection, events: Sequence[EventLogEntry]) -> list[int]:
        # One statement for all: SQLAlchemy compiles it once.
        results = (connection.execute(SqlEventLogStorageTable.insert(), self._event_to_row(event)) for event in events)
        return [int(result.inserted_primary_key[0]) for result in results if result.inserted_primary_key is not None]
