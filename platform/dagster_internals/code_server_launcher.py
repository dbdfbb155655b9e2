"""The run launcher of production: Dagster's own, which can also tell that a run went away with its code server.

Runs are children of the code server's process (`dagster api grpc`, the service `code` of deploy/compose.yaml). When its container is
replaced they end with it and nobody reports them: their rows stay "started" and keep their slots of the pool. Run monitoring asks
this launcher about each started run; the launcher asks the code server that the run was sent to. A server that answers and does
not know the run is a new one, and the run is gone: monitoring fails it, and `run_retries` starts it again on the new code.

A server that does not answer proves nothing (it may be starting, or busy), so such a run is left alone; `max_runtime_seconds` bounds
that. `dagster code-server start` would not do: after a reload it forgets the runs that its former child still executes. See
docs/decisions/runs-end-with-their-code-server.md.
"""

from __future__ import annotations

from dagster import DagsterRun, deserialize_value
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult

# One run after the other is asked about; a server that hangs must not hold the round up for long.
_ANSWER_SECONDS = 10


class CodeServerRunLauncher(DefaultRunLauncher):
    """Starts runs through the code server and knows whether that server still has them."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "No code server was asked to execute this run.")
        question = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            answer = client.can_cancel_execution(question, timeout=_ANSWER_SECONDS)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"{client.host} does not answer: nothing is known.")
        if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        gone = f"The code server at {client.host} does not execute this run: it was replaced after the run had started."
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, gone)
