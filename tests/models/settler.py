"""A process that holds, publishes, discards and takes back over and over, for a test that kills it: python settler.py ROOT STAGED.

What it holds is a copy of STAGED, a folder that was staged with other code than what is published. First it completes what was left
in the middle. Says "round" after each.
"""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ingestion_platform.changes import Rules, compare, versions
from ingestion_platform.dates import Window
from ingestion_platform.resources.duckdb.publishing import PARTITION_COLUMN
from ingestion_platform.resources.duckdb.warehouse import DuckDBWarehouse
from ingestion_platform.resources.proposals import AuditState, PublicationKind

WINDOW = Window(date(2026, 1, 10), date(2026, 1, 12))
OTHER_CODE = "other"


def models(warehouse: DuckDBWarehouse) -> dict[str, str]:
    """schema.name by name of the models that are built by date."""
    tables = warehouse.lake.catalog.snapshot().tables.values()
    return {table.name.partition(".")[2]: table.name for table in tables if table.partition_column == PARTITION_COLUMN}


def hold(warehouse: DuckDBWarehouse, relations: dict[str, str], staged: Path) -> str:
    """Hold a copy of `staged`, and publish nothing."""
    with warehouse.propose(relations, WINDOW) as proposal:
        shutil.copytree(staged, proposal.environment["LAKE_STAGED"], dirs_exist_ok=True)
        made = proposal.fingerprints()
        codes, inputs = dict.fromkeys(relations, OTHER_CODE), dict.fromkeys(WINDOW.days, "1")
        changes = compare(
            versions(made, codes, inputs, warehouse.latest_load_id()),
            proposal.published({}),
            Rules(approved=warehouse.approvals()),
        )
        differing = {change.cell.day for change in changes if change.is_difference}
        return proposal.hold([change for change in changes if change.cell.day in differing])


def complete(warehouse: DuckDBWarehouse) -> None:
    """Settle what is held, and take back what was published of other code."""
    for audit in warehouse.audits():
        if audit.dates(AuditState.HELD):
            warehouse.publish_held(audit.audit_id)
    newest = warehouse.publications(1)[0]
    if newest.kind is PublicationKind.AUDIT:
        warehouse.roll_back(newest.number)


def main(root: Path, staged: Path) -> None:
    """Go on until killed."""
    warehouse = DuckDBWarehouse(root / "warehouse.duckdb")
    relations = models(warehouse)
    while True:
        complete(warehouse)
        audit_id = hold(warehouse, relations, staged)
        number = warehouse.publish_held(audit_id)
        assert number is not None and warehouse.roll_back(number) is not None
        assert warehouse.discard_held(hold(warehouse, relations, staged))
        warehouse.keep_house(timedelta(hours=1), timedelta(seconds=20), datetime.now(UTC))
        print("round", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
