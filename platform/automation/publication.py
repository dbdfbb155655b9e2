"""What a person says of audits and publications, carried out and recorded as what it is, by model and date (publication_jobs.py).

    publish     what a run held becomes public, all of an audit or some of its dates; its code is not held again
    discard     what a run held is forgotten; what is published stays
    roll back   what a publication changed is again as it was before it, and its code will be held

Nothing named means the newest. Done twice, each says so and changes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from dagster import (
    AssetMaterialization,
    AssetObservation,
    Config,
    Failure,
    OpExecutionContext,
)
from pydantic import Field

from ingestion_platform.assets.change_checks import evaluations_of
from ingestion_platform.assets.keys import PUBLISHED_OVERVIEW, ROW_COUNT, STATISTICS
from ingestion_platform.assets.manifest import Models
from ingestion_platform.automation.refresh import Event, Refresh
from ingestion_platform.changes import Cell
from ingestion_platform.dagster_internals.partition_events import record
from ingestion_platform.dates import ONE_DAY, Window, listed, ranges
from ingestion_platform.resources.proposals import HeldAudit, Moved, PublicationKind, WarehouseError
from ingestion_platform.resources.warehouse import Warehouse
from ingestion_platform.versions import digest, provenance, version_tags

_CHANGED_SQL = """
select v.model, v.event_date, b.code_version, b.inputs, v.row_count
from raw.versions as v
join raw.build_history as b
  on b.model = v.model and b.event_date = v.event_date and b.publication_id = v.publication_id
where v.publication_id = ?
order by v.event_date, v.model
"""


class AuditConfig(Config):
    """Which audit, and which of its dates."""

    audit: str = Field(
        default="", description="The audit, as a run or its report names it; empty: the newest that waits."
    )
    first: str = Field(default="", description="First date, such as 2026-01-01; empty: all that wait.")
    last: str = Field(default="", description="Last date, included; empty: all that wait.")


class RollBackConfig(Config):
    """Which publication."""

    publication: int = Field(default=0, description="The publication's number (make status); 0: the newest.")


@dataclass(frozen=True)
class Word:
    """What a person says, carried out and recorded."""

    context: OpExecutionContext
    refresh: Refresh

    def publish(self, config: AuditConfig) -> Iterator[Event]:
        audit, days = self._meant(config)
        again: list[date] = []
        number = None
        with _in_one_line():
            try:
                number = self._warehouse.publish_held(audit.audit_id, days)
            except Moved as moved:
                again = moved.dates
                rest = [day for day in days or audit.dates() if day not in again]
                number = self._warehouse.publish_held(audit.audit_id, rest) if rest else None
        if number is None and not again:
            self.context.log.info(f"Audit {audit.audit_id} was published before: nothing was changed.")
            return
        if number is not None:
            yield from self._published(number, f"audit {audit.audit_id}")
        if again:
            # What the person saw is not what would be replaced any more.
            self.context.log.warning(
                f"{listed(again)} was published by others since audit {audit.audit_id}: audited again."
            )
            yield from self.refresh.rebuild(again)

    def discard(self, config: AuditConfig) -> Iterator[Event]:
        audit, days = self._meant(config)
        with _in_one_line():
            gone = self._warehouse.discard_held(audit.audit_id, days)
        if not gone:
            self.context.log.info(f"Audit {audit.audit_id} was discarded before: nothing was changed.")
            return
        cells = [change.cell for change in audit.changes if change.cell.day in gone]
        keys, said = self._models.keys_by_name, f"audit {audit.audit_id} was discarded"
        yield from record(
            self.context,
            [
                *(
                    AssetObservation(keys[cell.model], partition=f"{cell.day}", metadata={"discarded": said})
                    for cell in cells
                ),
                *evaluations_of(self.context.instance, self._models, cells, said),
            ],
        )
        yield from self.refresh.renew_dashboard()
        self.context.log.info(f"Discarded audit {audit.audit_id} of {listed(gone)}: what is published stays as it was.")

    def roll_back(self, config: RollBackConfig) -> Iterator[Event]:
        number = config.publication or self._newest()
        with _in_one_line():
            made = self._warehouse.roll_back(number)
        if made is None:
            self.context.log.info(f"Publication {number} was rolled back before: nothing was changed.")
            return
        yield from self._published(made, f"roll back of publication {number}")

    def _published(self, number: int, why: str) -> Iterator[Event]:
        """Record what publication `number` changed, and export its statistics."""
        rows = self._warehouse.query(_CHANGED_SQL, [number])
        keys, instance = self._models.keys_by_name, self.context.instance
        inputs = {
            model: provenance(instance, self._models.parents[keys[model]]) for model in sorted({row[0] for row in rows})
        }
        yield from record(
            self.context,
            [
                AssetMaterialization(
                    keys[model],
                    partition=f"{day}",
                    metadata={ROW_COUNT: count, "published": f"publication {number}: {why}"},
                    tags=version_tags(inputs[model], code or "unknown", digest(code, read)),
                )
                for model, day, code, read, count in rows
            ],
        )
        cells = [Cell(model, day) for model, day, *_ in rows]
        days = sorted({cell.day for cell in cells})
        yield from record(
            self.context, evaluations_of(instance, self._models, cells, f"Published ({why}, publication {number})")
        )
        run_id = self.context.run_id
        tags = version_tags(provenance(instance, STATISTICS), run_id, run_id)
        for window in ranges(days):
            self._warehouse.export(self.refresh.settings.published_dir, *window)
        yield from record(
            self.context,
            [AssetMaterialization(PUBLISHED_OVERVIEW, partition=f"{day}", tags=tags) for day in days],
        )
        yield from self.refresh.renew_dashboard()
        changed = ", ".join(dict.fromkeys(cell.model for cell in cells))
        self.context.log.info(f"Publication {number} ({why}): {changed} on {listed(days)}.")

    def _meant(self, config: AuditConfig) -> tuple[HeldAudit, list[date]]:
        """The audit, and its dates that were named; none for all."""
        if config.audit:
            found = self._warehouse.audit(config.audit)
            if found is None:
                raise Failure(f"there is no audit {config.audit} (make status lists those that wait)")
        else:
            found = next(iter(self._warehouse.waiting()), None)
            if found is None:
                raise Failure("nothing is held: there is nothing to publish or to discard")
        if not config.first and not config.last:
            return found, []
        try:
            first = date.fromisoformat(config.first or f"{min(found.states)}")
            last = date.fromisoformat(config.last or f"{max(found.states)}")
        except ValueError:
            raise Failure(f"{config.first!r} to {config.last!r}: write dates such as 2026-01-01") from None
        days = [day for day in Window(first, last + ONE_DAY).days if day in found.states]
        if not days:
            raise Failure(f"audit {found.audit_id} has nothing on {first} to {last}")
        return found, days

    def _newest(self) -> int:
        newest = next((known for known in self._warehouse.publications(1000) if known.window is not None), None)
        if newest is None:
            raise Failure("nothing has been published yet: there is nothing to roll back")
        if newest.kind is PublicationKind.ROLL_BACK:
            # To take back what was just taken back is not what a second click means.
            raise Failure(
                f"the newest publication, {newest.number}, is itself a roll back (of {newest.about}): name the one to roll back"
            )
        return newest.number

    @property
    def _warehouse(self) -> Warehouse:
        return self.refresh.warehouse

    @property
    def _models(self) -> Models:
        return self.refresh.models


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Trouble that is expected fails the run with its one line."""
    try:
        yield
    except WarehouseError as error:
        raise Failure(f"{error}") from None
