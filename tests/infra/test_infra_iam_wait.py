"""The wait for IAM: the one piece of the program that runs while it is deployed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pulumi
import pytest
from infra_harness import INFRA


@pytest.fixture
def ingestion() -> Iterator[ModuleType]:
    """The component's module, imported the way the program does."""
    sys.path.insert(0, str(INFRA))
    yield importlib.import_module("ingestion_path.snowpipe_ingestion")
    sys.path.remove(str(INFRA))


def failure(*errors: str) -> pulumi.ErrorHookArgs:
    """What the engine hands the hook: all errors so far, newest first."""
    return pulumi.ErrorHookArgs(urn="", id="", name="", type="", failed_operation="create", errors=list(errors))


@pytest.mark.parametrize(
    "message",
    [
        "Error assuming AWS_ROLE. Please verify the role and externalId are configured correctly",
        "User: arn:aws:iam::1:user/x is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::2:role/y",
    ],
)
def test_pipe_waits_while_iam_spreads(ingestion: ModuleType, monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    """The first pipe on a new role fails for a while; instead of a sleep at every deployment that failure is retried."""
    waits: list[float] = []
    monkeypatch.setattr(ingestion.time, "sleep", waits.append)
    assert ingestion.wait_for_iam(failure(message)) is True
    assert waits == [ingestion.SECONDS_BETWEEN_TRIES]


def test_wait_for_iam_ends(ingestion: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trust policy that is really wrong must fail the deployment, after three minutes at most."""
    waits: list[float] = []
    monkeypatch.setattr(ingestion.time, "sleep", waits.append)
    errors: list[str] = []
    while True:
        errors.insert(0, "Error assuming AWS_ROLE")
        if not ingestion.wait_for_iam(failure(*errors)):
            break
    assert len(errors) == ingestion.TRIES and sum(waits) <= 180


def test_other_failures_are_not_retried(ingestion: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A syntax error in the COPY is as wrong in twenty seconds as now."""
    monkeypatch.setattr(ingestion.time, "sleep", lambda _: pytest.fail("waited"))
    assert (
        ingestion.wait_for_iam(failure("SQL compilation error: syntax error line 1", "Error assuming AWS_ROLE"))
        is False
    )
