"""What the code location consists of, held against a reviewed list, in an interpreter of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ingestion_platform.settings import PROJECT_DIR

ASSETS = [
    "archive/events",
    "events/duplicates",
    "events/events",
    "events/impressions",
    "events/logs",
    "events/pageviews",
    "events/product_actions",
    "events/promotions",
    "events/purchases",
    "events/quarantine",
    "events/sessions",
    "events/user_agents",
    "events/daily_visitors",
    "events_live/events_live",
    "events_live/live_dates",
    "events_live/logs_live",
    "events_live/pageviews_live",
    "events_live/product_actions_live",
    "events_live/purchases_live",
    "published/dashboard",
    "published/overview",
    "raw/logs",
    "simulations/traffic",
    "stats/overview_1d",
    "stats/overview_1h",
    "stats/revenue_1d",
    "stats/revenue_1h",
]

_DESCRIBE = """
import json, sys
forbidden = []
def watch(event, arguments):
    # croniter, inside Dagster, asks `file` for the interpreter's word size.
    if event == "subprocess.Popen" and arguments[1][:2] == ["file", "-b"]:
        return
    if event in ("socket.connect", "subprocess.Popen", "os.exec", "os.posix_spawn") or (
        event == "open" and isinstance(arguments[0], str) and arguments[0].endswith((".duckdb", ".pem", "credentials"))
    ):
        forbidden.append(f"{event} {arguments}")
sys.addaudithook(watch)
from ingestion_platform.definitions import defs
slow = [name for name in ("altair", "boto3", "dbt.cli", "dbt.parser", "duckdb", "snowflake.connector") if name in sys.modules]
repository = defs.get_repository_def()
graph = repository.asset_graph
print(json.dumps({
    "slow": slow,
    "forbidden": forbidden,
    "assets": sorted(key.to_user_string() for key in graph.get_all_asset_keys()),
    "parents_of_archive": [key.to_user_string() for key in graph.get(__import__("dagster").AssetKey(["archive", "events"])).parent_keys],
    "unowned": [k.to_user_string() for k in graph.get_all_asset_keys() if not graph.get(k).owners],
    "links": {
        k.to_user_string(): [r.label for r in graph.get(k).metadata["dagster/code_references"].code_references]
        for k in graph.get_all_asset_keys()
    },
    "long_checks": [c.name for c in graph.asset_check_keys if len(c.name) > 48],
    "parents_of_raw": [key.to_user_string() for key in graph.get(__import__("dagster").AssetKey(["raw", "logs"])).parent_keys],
    "undescribed": [k.to_user_string() for k in graph.get_all_asset_keys() if not graph.get(k).description],
    "ungrouped": [k.to_user_string() for k in graph.get_all_asset_keys() if graph.get(k).group_name == "default"],
    "jobs": sorted(job.name for job in repository.get_all_jobs() if not job.name.startswith("__")),
    "schedules": {s.name: s.default_status.value for s in repository.schedule_defs},
    "sensors": {s.name: s.default_status.value for s in repository.sensor_defs},
    "blocking": [c.name for c in graph.asset_check_keys if c.name in ("reconciliation", "expected_results", "objects_readable")],
}))
"""


def describe(tmp_path: Path) -> dict[str, object]:
    """The code location as a fresh interpreter sees it, without any variable of the platform set."""
    env = {"PATH": os.environ["PATH"], "HOME": f"{tmp_path}", "DATA_DIR": f"{tmp_path / 'data'}"}
    done = subprocess.run(
        [sys.executable, "-c", _DESCRIBE],
        env=env,
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_code_location_is_what_was_reviewed(tmp_path: Path) -> None:
    """An asset, job or schedule must not appear, vanish or change its key unnoticed (a renamed key loses its history)."""
    found = describe(tmp_path)
    assets = set(found["assets"])  # type: ignore[call-overload]
    assert set(ASSETS) <= assets
    # What else there may be are dbt's exposures, which have keys of one part.
    assert all("/" not in key for key in assets - set(ASSETS))
    assert found["jobs"] == [
        "discard_audit",
        "hourly_refresh",
        "lake_maintenance",
        "observe_archive",
        "plan_replay",
        "publish_audit",
        "recollect",
        "recover_quarantine",
        "replay",
        "roll_back",
        "simulate",
    ]
    assert found["schedules"] == {"hourly": "RUNNING", "nightly": "RUNNING"}
    assert found["sensors"] == {"late_objects": "RUNNING"}
    assert found["parents_of_raw"] == ["archive/events"], "what is loaded is what lies in the archive, whoever wrote it"
    assert found["parents_of_archive"] == ["simulations/traffic"]
    assert found["unowned"] == []
    links: dict[str, list[str]] = found["links"]  # type: ignore[assignment]
    assert {path for paths in links.values() for path in paths if not (PROJECT_DIR / path).is_file()} == set()
    assert [key for key, (*code, page) in links.items() if not code or not page.startswith("docs/")] == []
    assert links["stats/overview_1d"][:2] == [
        "dbt_models/models/stats/overview_1d.sql",
        "dbt_models/macros/models/select_overview.sql",
    ]
    assert links["raw/logs"][0] == "platform/assets/raw_logs.py"
    assert found["long_checks"] == [], "nobody reads a list of names of 200 letters"
    assert found["undescribed"] == []
    assert found["ungrouped"] == []
    assert sorted(found["blocking"]) == ["expected_results", "objects_readable", "reconciliation"]  # type: ignore[call-overload]


def test_importing_it_is_free(tmp_path: Path) -> None:
    """Loading must not open a socket, a database or a secret, or start a process; it used to parse dbt at import (30 s)."""
    found = describe(tmp_path)
    assert found["forbidden"] == []
    assert not (tmp_path / "data").exists()
    assert found["slow"] == [], "libraries that take seconds to import wait for the step that needs them"


def test_dagster_validates_the_workspace(tmp_path: Path) -> None:
    """`dagster definitions validate -w workspace.yaml` is what CI of a deployment runs."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": f"{tmp_path}",
        "DATA_DIR": f"{tmp_path / 'data'}",
        "DAGSTER_HOME": f"{tmp_path}",
    }
    dagster = Path(sys.executable).with_name("dagster")
    done = subprocess.run(
        [dagster, "definitions", "validate", "-w", "workspace.yaml"],
        env=env,
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
