"""Two virtual warehouses, each under a monthly limit of its own: the platform's, and the readers'.

They are apart so that an analyst's query can neither slow a load down nor use up its credits for the month.

Only ACCOUNTADMIN makes resource monitors and assigns them. Where Pulumi signs in as that, the monitors are declared.
Where it has the narrower role that is the default, they are `account_sql`, a stack output that an administrator runs
after the first deployment and whenever a limit changes (README, "First deployment").
"""

from __future__ import annotations

from typing import NamedTuple

import pulumi
import pulumi_snowflake as snowflake

from .names import Names
from .setting_groups import SnowflakeSettings

NOTIFY_PERCENT = (50, 80)
SUSPEND_PERCENT, ABORT_PERCENT = 100, 110


class _Limited(NamedTuple):
    """A warehouse and its limit, as settings and names say."""

    label: str
    warehouse: str
    size: str
    monitor: str
    credits: int
    timeout_seconds: int


class Compute(pulumi.ComponentResource):
    """`platform` and `readers` (warehouses); `account_sql`, empty where the monitors are declared."""

    def __init__(self, name: str, names: Names, settings: SnowflakeSettings, opts: pulumi.ResourceOptions) -> None:
        super().__init__("clickstream:snowflake:Compute", name, None, opts)
        self._inside = pulumi.ResourceOptions(parent=self)
        declared = settings.admin_role == "ACCOUNTADMIN"
        limited = (
            _Limited(
                "platform", names.snowflake("WH"), settings.warehouse_size,
                names.snowflake("CREDITS"), settings.monthly_credits, 4 * 3600,
            ),
            _Limited(
                "readers", names.snowflake("READERS_WH"), settings.reader_warehouse_size,
                names.snowflake("READERS_CREDITS"), settings.reader_monthly_credits, 1800,
            ),
        )  # fmt: skip
        self.platform, self.readers = (self._warehouse(name, one, settings, declared) for one in limited)
        self.account_sql = "" if declared else _account_sql(limited, settings.notify_users)
        self.register_outputs({"platform": self.platform.name, "readers": self.readers.name})

    def _warehouse(
        self, name: str, limited: _Limited, settings: SnowflakeSettings, declared: bool
    ) -> snowflake.Warehouse:
        monitor = None
        if declared:
            monitor = snowflake.ResourceMonitor(
                f"{name}-{limited.label}-credits",
                name=limited.monitor,
                credit_quota=limited.credits,
                frequency="MONTHLY",
                start_timestamp="IMMEDIATELY",
                notify_users=list(settings.notify_users),
                notify_triggers=list(NOTIFY_PERCENT),
                suspend_trigger=SUSPEND_PERCENT,
                suspend_immediate_trigger=ABORT_PERCENT,
                opts=self._inside,
            )
        return snowflake.Warehouse(
            f"{name}-{limited.label}",
            name=limited.warehouse,
            warehouse_size=limited.size,
            auto_suspend=settings.warehouse_suspend_seconds,
            auto_resume="true",
            initially_suspended=True,
            resource_monitor=monitor.name if monitor else None,
            statement_timeout_in_seconds=limited.timeout_seconds,
            # The limit that an administrator assigned is not for this program to take away again.
            opts=self._inside if declared else pulumi.ResourceOptions.merge(self._inside, _LEAVE_MONITOR),
        )


_LEAVE_MONITOR = pulumi.ResourceOptions(ignore_changes=["resourceMonitor"])


def _account_sql(limited: tuple[_Limited, ...], notify_users: tuple[str, ...]) -> str:
    """What ACCOUNTADMIN runs: harmless to run again."""
    triggers = " ".join(
        [
            *(f"on {percent} percent do notify" for percent in NOTIFY_PERCENT),
            f"on {SUSPEND_PERCENT} percent do suspend",
            f"on {ABORT_PERCENT} percent do suspend_immediate",
        ]
    )
    lines = ["use role ACCOUNTADMIN;"]
    for one in limited:
        lines += [
            f"create resource monitor if not exists {one.monitor} with credit_quota = {one.credits} "
            "frequency = monthly start_timestamp = immediately;",
            f"alter resource monitor {one.monitor} set credit_quota = {one.credits} "
            f"notify_users = ({', '.join(notify_users)}) triggers {triggers};",
            f"alter warehouse {one.warehouse} set resource_monitor = {one.monitor};",
        ]
    return "\n".join(lines) + "\n"
