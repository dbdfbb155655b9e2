"""The cost estimate: from the settings alone, equal to the README's table, and right about what makes hits cheaper."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from typing import Any

import pytest
from infra_alarms import emf_points
from infra_harness import INFRA
from infra_running import RunningPath, logged

from collector.packing import packed

sys.path.insert(0, str(INFRA))
from ingestion_path import costs
from ingestion_path import setting_groups as groups
from ingestion_path.quotas import MEAN_HIT_BYTES


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(INFRA / "cost.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)


def month(printed: str) -> dict[str, float]:
    """Dollars by part."""
    rows = re.findall(r"^\| \**([^|*]+?)\** \| \**([\d.]+)\** \|", printed, re.M)
    return {part: float(dollars) for part, dollars in rows}


def example() -> groups.Settings:
    """Settings like the production example's. Made here, not read: reading leaves secret outputs in the SDK, for which
    the next program that runs in this process would wait.
    """
    unused: Any = None
    return groups.Settings(
        stack="production",
        account=groups.Account("444455556666", "eu-central-1"),
        archive=groups.ArchiveSettings(30, 90, True),
        delivery=groups.DeliverySettings(128, 300, 1),
        endpoint=groups.EndpointSettings(("https://shop.example",), 600, 1200),
        address=groups.AddressSettings(None, None, None, False, 3000),
        collector=groups.CollectorSettings(
            512, None, "truncate", "ignore", (), None, 8192, 20, 16_384, groups.Release(None, 0)
        ),
        alerts=groups.AlertSettings("a@b.example", "docs/runbooks", 60, 1500, 30),
        snowflake=unused,
    )


def test_readme_shows_what_the_command_prints() -> None:
    """A table that is typed goes stale with the first changed setting or price."""
    readme = (INFRA / "README.md").read_text()
    block = readme.partition("<!-- make infra-cost -->\n")[2].partition("\n<!-- end -->")[0]
    assert block == run().stdout.rstrip("\n")


def test_a_million_single_hits_cost_about_two_dollars() -> None:
    """The review's own sum of API, collector, stream and logs, made apart from this program: 1.91 to 2.01 dollars."""
    parts = month(run("--hits", "1000000").stdout)
    moving = sum(parts[name] for name in ("HTTP API", "collector", "delivery stream", "logs"))
    assert 1.85 <= moving / 30 <= 2.05
    assert parts["a month"] == pytest.approx(
        sum(v for k, v in parts.items() if k != "a month" and "replay" not in k), abs=0.05
    )


@pytest.mark.parametrize("hits", [1, 3, 4, 20, 166, 167, 500])
def test_stream_is_billed_for_what_the_collector_sends(hits: int) -> None:
    """The estimate's arithmetic against the collector's own packing, record by record."""
    records = packed([b"x" * MEAN_HIT_BYTES] * hits)
    assert costs.billed_bytes(hits) == sum(-(-len(record.data) // 5120) * 5120 for record in records)


def test_batches_save_requests_and_two_thirds_of_the_stream() -> None:
    """Twenty hits of a request are one record of 35 KB instead of twenty of 5."""
    single, batch = month(run().stdout), month(run("--batch", "20").stdout)
    assert batch["delivery stream"] == pytest.approx(single["delivery stream"] * 7 / 20, rel=0.01)
    for part in ("HTTP API", "logs"):
        assert batch[part] == pytest.approx(single[part] / 20, rel=0.02)
    assert batch["collector"] < single["collector"] / 10


def test_estimate_follows_the_settings() -> None:
    """Memory, buffer, storage classes and CloudFront are in it, so that a setting's price can be seen before it is set."""
    base = example()
    traffic = costs.Traffic(1_000_000)

    def dollars(**changes: Any) -> dict[str, float]:
        return {line.part: line.month for line in costs.estimate(dataclasses.replace(base, **changes), traffic, 17)}

    more_memory = dataclasses.replace(base.collector, memory_mebibytes=1024)
    assert dollars(collector=more_memory)["collector"] == pytest.approx(dollars()["collector"] + 5.0, abs=0.1)
    front = dollars(address=dataclasses.replace(base.address, cloud_front=True))
    assert front["CloudFront and firewall"] == pytest.approx(30 * 1.6 + 6)
    longer = dataclasses.replace(base.archive, infrequent_after_days=365, instant_retrieval_after_days=730)
    assert dollars(archive=longer)["archive, after 365 days"] > dollars()["archive, after 365 days"] * 1.5
    quick = dataclasses.replace(base.delivery, buffer_seconds=60)
    assert costs.objects_per_day(dataclasses.replace(base, delivery=quick), traffic) == 1440


def test_estimate_needs_no_account_and_refuses_what_a_deployment_would() -> None:
    """It reads the file that will be deployed, without its secrets; an unknown stack is one line."""
    assert run("--stack", "staging").returncode == 0
    unknown = run("--stack", "nowhere")
    assert unknown.returncode == 1 and unknown.stderr.startswith("There is no Pulumi.nowhere.yaml")
    assert "Traceback" not in run("--hits", "0").stderr


def test_a_request_logs_about_what_the_estimate_says(running: RunningPath) -> None:
    """Log lines cost more than the function that writes them: a line twice as long would be seen nowhere else."""
    body = json.dumps({"t": "pageview", "cid": "c-1", "tid": "UA-1-1"}).encode()
    headers = {"content-type": "application/json"}
    line = logged(running.collector, lambda: running.api.request("POST", "/collect", headers=headers, body=body))
    assert emf_points(line)
    assert len(line) == pytest.approx(costs.COLLECTOR_LOG_BYTES, rel=0.25)
