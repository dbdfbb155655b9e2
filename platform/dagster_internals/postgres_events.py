"""Dagster's event storage in PostgreSQL, as production has it, with what `unreached_checks` adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from dagster._serdes import ConfigurableClassData
from dagster_postgres import PostgresEventLogStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config

from ingestion_platform.dagster_internals.unreached_checks import ForgetsUnreachedChecks


class PostgresEvents(ForgetsUnreachedChecks, PostgresEventLogStorage):
    """`PostgresEventLogStorage`, for production."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        return cls(
            inst_data=inst_data,
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            token_provider=get_token_provider_from_config(config_value),
        )
