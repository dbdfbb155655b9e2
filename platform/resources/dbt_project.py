"""dbt, run inside the process of the Dagster run: one invocation builds the models of one window of dates.

In: the manifest that `prepare` wrote, a window of event dates, selectors of nodes. Out: one `NodeResult` a model or test.

Why in process and not dbt's command line: a subprocess costs 3 to 6 s of imports and a version look-up at the package index
for each invocation, and outlives a killed run worker. dbt keeps its DuckDB connection open when an invocation ends, so it is
closed here, for the memory that its database takes.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from collector.errors import ExpectedError
from ingestion_platform.dates import Window
from ingestion_platform.settings import PROJECT_DIR

MODELS_DIR = PROJECT_DIR / "dbt_models"
MANIFEST = MODELS_DIR / "target" / "manifest.json"
_PARTIAL_PARSE = "partial_parse.msgpack"

Log = Callable[[str], None]


class ModelsError(ExpectedError):
    """dbt could not build what was asked. The first line of the message says which node and why."""


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What became of one node: `status` is dbt's (success, pass, warn, fail, error, skipped, no-op)."""

    unique_id: str
    kind: str
    name: str
    status: str
    seconds: float
    failures: int | None
    message: str
    relation: str = ""
    view: str = ""
    """The SELECT of a model that is a view."""

    @property
    def succeeded(self) -> bool:
        return self.status in ("success", "pass", "no-op")


def read_manifest(path: Path = MANIFEST, adapter: str | None = None) -> Mapping[str, Any]:
    """The manifest as `prepare` wrote it. Raises ModelsError when it is missing or made for another warehouse."""
    try:
        manifest: Mapping[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelsError(f"{path} cannot be read ({error}); run: python -m ingestion_platform prepare") from None
    made_for = manifest["metadata"]["adapter_type"]
    if adapter is not None and made_for != adapter:
        raise ModelsError(f"{path} was made for {made_for}, not {adapter}; run: python -m ingestion_platform prepare")
    models = (node for node in manifest["nodes"].values() if node["resource_type"] == "model")
    if not all(node.get("compiled_code") for node in models):
        raise ModelsError(f"{path} was written by dbt itself; run: python -m ingestion_platform prepare")
    return manifest


class DbtProject:
    """The dbt project with the target and variables of one environment.

    `environment` holds what profiles.yml reads (INGEST_ENV, ...); it is set for an invocation only.
    `artifacts` is the folder for what invocations write; a failed one's logs and compiled SQL stay there, and so does what
    the last one parsed: dbt parses everything anew when the warehouse is another than the one it parsed for.
    """

    def __init__(self, environment: Mapping[str, str], artifacts: Path, project_dir: Path = MODELS_DIR) -> None:
        self.environment = dict(environment)
        self.artifacts = artifacts
        self.project_dir = project_dir

    def prepare(self) -> Path:
        """Compile the project and write the manifest that the code location reads; returns its path.

        What it compiles is for no window, and for partitions without a start: what a model's code version is made of.
        """
        target = self.project_dir / "target"
        select = ["--select", "resource_type:model", "--no-populate-cache", "--no-introspect"]
        self._invoke(["compile", *select], target, print, _offline())
        return target / "manifest.json"

    def document(self, folder: Path) -> None:
        """Write dbt's documentation into `folder` (index.html, and what it shows), from the project alone: no warehouse is asked."""
        folder.mkdir(parents=True)
        self._invoke(["docs", "generate", "--empty-catalog"], folder, print, _offline())

    def build(
        self, select: Sequence[str], window: Window | None, log: Log, proposal: Mapping[str, str]
    ) -> list[NodeResult]:
        """Build what the selectors of `select` match, tests included and no others, for event dates [start, end) of `window`.

        `proposal` is the environment of the proposal that is built (`resources.warehouse.Proposal`). Raises ModelsError only when dbt could not run at all; failed nodes are in the results.
        """
        target = self.artifacts / uuid4().hex[:12]
        target.mkdir(parents=True)
        for known in (self.artifacts, self.project_dir / "target"):
            if (known / _PARTIAL_PARSE).exists():
                shutil.copy(known / _PARTIAL_PARSE, target / _PARTIAL_PARSE)
                break
        # Unit tests are about small inputs of their own, whatever the data; `make test` runs them.
        fixed = ["--no-write-json", "--indirect-selection", "empty", "--exclude-resource-type", "unit_test"]
        arguments = ["build", *fixed, "--select", *select]
        if window is not None:
            arguments += ["--event-time-start", f"{window.start}", "--event-time-end", f"{window.end}"]
        results = self._invoke(arguments, target, log, proposal)
        self._keep_parsed(target)
        if all(result.status not in ("error", "fail") for result in results):
            shutil.rmtree(target, ignore_errors=True)
        return results

    def _keep_parsed(self, target: Path) -> None:
        if (target / _PARTIAL_PARSE).exists():
            self.artifacts.mkdir(parents=True, exist_ok=True)
            # Several runs may end at once (Snowflake); each replaces the file whole.
            temporary = self.artifacts / f"{_PARTIAL_PARSE}.{uuid4().hex[:12]}"
            shutil.copy(target / _PARTIAL_PARSE, temporary)
            temporary.replace(self.artifacts / _PARTIAL_PARSE)

    def _invoke(
        self, arguments: list[str], target: Path, log: Log, more: Mapping[str, str] = MappingProxyType({})
    ) -> list[NodeResult]:
        # Imported on use: dbt's command line is a second of imports that loading the code location does not need.
        from dbt.cli.main import dbtRunner

        paths = ["--project-dir", f"{self.project_dir}", "--profiles-dir", f"{self.project_dir}"]
        quiet = ["--log-level", "none", "--log-level-file", "info", "--log-path", f"{target}", "--no-use-colors"]
        with (
            _environment({**self.environment, **more, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}),
            _log_errors_unsaid(),
        ):
            try:
                outcome = dbtRunner(callbacks=[_report(log)]).invoke(
                    [*quiet, *arguments, *paths, "--target-path", f"{target}"]
                )
            finally:
                _close_connections()
        if outcome.exception is not None:
            raise ModelsError(f"dbt {arguments[0]} failed: {_first_line(str(outcome.exception))} (log in {target})")
        return [
            NodeResult(
                unique_id=result.node.unique_id,
                kind=f"{result.node.resource_type}",
                name=result.node.name,
                status=f"{result.status}",
                seconds=round(result.execution_time, 3),
                failures=result.failures,
                message=result.message or "",
                # Exposures, which dbt reports as well, have none.
                relation=f"{getattr(result.node, 'schema', '')}.{result.node.name}".lower(),
                view=(getattr(result.node, "compiled_code", None) or "") if _is_view(result.node) else "",
            )
            for result in getattr(outcome.result, "results", [])
        ]


def _offline() -> dict[str, str]:
    """The environment of an invocation that asks no warehouse."""
    # Compiling signs in nowhere, yet dbt-snowflake finds fault with a profile without a user (an image is built without one).
    user = os.environ.get("SNOWFLAKE_USER") or "nobody"
    return {"SNOWFLAKE_USER": user, "PARTITIONS_START": "", "LAKE_FOLDER": ""}


def _is_view(node: Any) -> bool:
    return f"{node.resource_type}" == "model" and node.config.materialized == "view"


def _close_connections() -> None:
    from dbt.adapters.factory import FACTORY

    for adapter in FACTORY.adapters.values():
        # Only dbt-duckdb keeps an engine in the process, and only it has this method.
        close = getattr(adapter.ConnectionManager, "close_all_connections", None)
        if close is not None:
            close()


def _report(log: Log) -> Callable[[Any], None]:
    def on_event(event: Any) -> None:
        if event.info.level in ("warn", "error") or event.info.name in ("LogModelResult", "LogTestResult"):
            # dbt waits for ever for a thread in which a callback raised: what a full disk does not let us note is left out.
            with suppress(Exception):
                log(event.info.msg)

    return on_event


@contextmanager
def _log_errors_unsaid() -> Iterator[None]:
    """dbt writes a log file; on a full disk the standard library would print a stack trace for each line of it."""
    before = logging.raiseExceptions
    logging.raiseExceptions = False
    try:
        yield
    finally:
        logging.raiseExceptions = before


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _first_line(text: str) -> str:
    return " ".join(text.strip().split())[:500]
