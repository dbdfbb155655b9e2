"""Prints what a stack would cost a month: `make infra-cost STACK=production HITS=1000000 BATCH=1`.

Reads `Pulumi.<stack>.yaml`, or the example where there is none, and needs neither account, CLI nor the stack's secrets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import pulumi
import yaml
from ingestion_path import settings
from ingestion_path.alarms import Metric, Watched, alarms_for
from ingestion_path.costs import Traffic, table
from ingestion_path.setting_groups import Settings

HERE = Path(__file__).resolve().parent
# Secrets cost nothing: whatever the file holds, these stand in, so that the settings can be checked whole.
STAND_INS = {
    "clickstream:snowflakeAdminPrivateKey": "-----BEGIN PRIVATE KEY-----\nstands in\n-----END PRIVATE KEY-----\n",
    "clickstream:snowflakeExternalId": "stands-in-for-the-external-id",
}


def read_settings(stack: str) -> Settings:
    """The stack's settings, checked as a deployment would check them."""
    file = HERE / f"Pulumi.{stack}.yaml"
    if not file.exists():
        file = HERE / f"Pulumi.{stack}.example.yaml"
    if not file.exists():
        raise SystemExit(f"There is no Pulumi.{stack}.yaml in {HERE}, and no example of that name")
    config = yaml.safe_load(file.read_text())["config"]
    given = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    asyncio.set_event_loop(asyncio.new_event_loop())
    pulumi.runtime.set_all_config({**given, **STAND_INS}, list(STAND_INS))
    return settings.read(stack)


def watched_metrics(config: Settings) -> int:
    """How many metrics the stack's alarms watch: what they are billed by."""
    names = Watched("", {"collector": "", "redrive": ""}, "", "", "", "", "", Metric("", "", {}))
    alarms = alarms_for(names, buffer_seconds=300, silence_minutes=config.alerts.silence_minutes)
    return sum(len(alarm.metrics) for alarm in alarms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="production")
    parser.add_argument("--hits", type=int, default=1_000_000, help="hits a day")
    parser.add_argument("--batch", type=float, default=1, help="hits a request")
    parser.add_argument("--days", type=int, default=365, help="days of such traffic in the archive")
    given = parser.parse_args()
    if given.hits < 1 or given.batch < 1 or given.days < 1:
        parser.error("--hits, --batch and --days are 1 or more")
    try:
        config = read_settings(given.stack)
    except pulumi.RunError as error:
        raise SystemExit(str(error)) from None
    print(table(config, Traffic(given.hits, given.batch, given.days), watched_metrics(config)))


if __name__ == "__main__":
    main()
