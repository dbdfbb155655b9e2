"""Alerts: a run that failed, or a check that failed in a run, is posted to a webhook. Off unless ALERT_WEBHOOK_URL is set.

The payload is {"text": ...}, which Slack, Mattermost and Teams' workflows take. An alert never blocks anything: a webhook that
does not answer is logged and forgotten.
"""

import logging

from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunStatusSensorContext,
    SensorDefinition,
    run_status_sensor,
)

from ingestion_platform.assets.change_checks import HELD_TAG
from ingestion_platform.settings import Settings

_SECONDS_TO_ANSWER = 5


def post(url: str, text: str, log: logging.Logger) -> bool:
    """Send `text`; False, and a line in the log without the address, when it was not taken."""
    import requests

    try:
        requests.post(url, json={"text": text}, timeout=_SECONDS_TO_ANSWER).raise_for_status()
    except requests.RequestException as error:
        log.warning("An alert was not delivered: %s", type(error).__name__)
        return False
    return True


def failed_checks(instance: DagsterInstance, run: DagsterRun) -> list[str]:
    """One line for each check that failed in `run`, warnings left out; of a check that failed on several dates, the first."""
    records = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION).records
    descriptions: dict[str, list[str]] = {}
    for record in records:
        event = record.event_log_entry.dagster_event
        evaluation = event.asset_check_evaluation_data if event is not None else None
        if evaluation is not None and not evaluation.passed and evaluation.severity.value == "ERROR":
            name = f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}"
            descriptions.setdefault(name, []).append(evaluation.description or "")
    return [
        name + (f" ({lines[0]})" if lines[0] else "") + (f", and {len(lines) - 1} more dates" if len(lines) > 1 else "")
        for name, lines in descriptions.items()
    ]


def message(run: DagsterRun, failure: str | None, checks: list[str]) -> str | None:
    """What to post of a finished run; None when there is nothing to say."""
    held = run.tags.get(HELD_TAG)
    if failure is None and not checks and not held:
        return None
    if failure is not None:
        headline = f"Run {run.run_id[:8]} of {run.job_name} failed: {failure}"
    elif checks:
        headline = f"Checks failed in {run.job_name}"
    else:
        headline = f"Run {run.run_id[:8]} of {run.job_name} holds what changed code would alter"
    waits = [f"Audit {held} waits: make publish AUDIT={held}, or make discard AUDIT={held}"] if held else []
    return "\n".join([headline, *checks, *waits])


def alerts(settings: Settings) -> list[SensorDefinition]:
    """The two sensors, or none when no webhook is configured."""
    url = settings.alert_webhook_url
    if url is None:
        return []

    def report(context: RunStatusSensorContext, failure: str | None) -> None:
        text = message(context.dagster_run, failure, failed_checks(context.instance, context.dagster_run))
        if text is not None:
            post(url, text, context.log)

    @run_status_sensor(
        run_status=DagsterRunStatus.FAILURE, default_status=DefaultSensorStatus.RUNNING, description="Post failed runs."
    )
    def alert_failure(context: RunStatusSensorContext) -> None:
        report(context, " ".join((context.dagster_event.message or "").split())[:500])

    @run_status_sensor(
        run_status=DagsterRunStatus.SUCCESS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Post checks that failed in runs that went through.",
    )
    def alert_checks(context: RunStatusSensorContext) -> None:
        report(context, None)

    return [alert_failure, alert_checks]
