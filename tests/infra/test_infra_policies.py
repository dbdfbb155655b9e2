"""The policy evaluator itself: it must be stricter than IAM where it is unsure, or the checks built on it prove
nothing.
"""

from __future__ import annotations

import json

import pytest
from infra_policies import all_actions, allowed_calls, is_allowed, lint, statements

STREAM = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/hits"


def policy(**statement: object) -> list[dict[str, object]]:
    return [{"Effect": "Allow", "Action": "firehose:PutRecordBatch", "Resource": STREAM, **statement}]


def test_exact_arn_allows_that_arn_only() -> None:
    """A stream whose name only begins alike is another stream."""
    assert is_allowed(policy(), "firehose:PutRecordBatch", STREAM)
    assert not is_allowed(policy(), "firehose:PutRecordBatch", STREAM + "-2")
    assert not is_allowed(policy(), "firehose:PutRecord", STREAM)


def test_wildcards_reach_as_far_as_iam_lets_them() -> None:
    """`*` crosses slashes, `?` is one character, action names have no case."""
    assert is_allowed(policy(Action="FIREHOSE:put*", Resource="*"), "firehose:PutRecord", STREAM + "/a/b")
    assert is_allowed(policy(Resource=STREAM[:-1] + "?"), "firehose:PutRecordBatch", STREAM)


def test_a_deny_wins_over_an_allow() -> None:
    """Whatever else allows it."""
    denied: list[dict[str, object]] = [*policy(), {"Effect": "Deny", "Action": "*", "Resource": "*"}]
    assert not is_allowed(denied, "firehose:PutRecordBatch", STREAM)


def test_condition_on_a_missing_key_fails() -> None:
    """A request without the key does not meet a StringEquals, StringLike or Bool."""
    for operator in ("StringEquals", "StringLike", "Bool"):
        conditioned = policy(Condition={operator: {"s3:prefix": "a"}})
        assert not is_allowed(conditioned, "firehose:PutRecordBatch", STREAM)
        assert is_allowed(conditioned, "firehose:PutRecordBatch", STREAM, context={"s3:prefix": "a"})


@pytest.mark.parametrize(
    "strange",
    [
        {"NotAction": "s3:*"},
        {"NotResource": "*"},
        {"Condition": {"ArnLike": {"aws:SourceArn": "*"}}},
        {"Resource": "arn:aws:s3:::${aws:username}"},
        {"Effect": "Perhaps"},
        {"Principal": {"Federated": "x"}},
    ],
)
def test_unknown_elements_are_an_error(strange: dict[str, object]) -> None:
    """What the evaluator does not understand must stop the test, not count as harmless."""
    with pytest.raises(NotImplementedError):
        is_allowed(policy(**strange), "firehose:PutRecordBatch", STREAM, principal={"AWS": "x"})


def test_every_action_of_aws_is_tried() -> None:
    """The closed-world check is only as good as its list of actions."""
    actions = all_actions()
    assert len(actions) > 10_000
    assert {"firehose:PutRecordBatch", "s3:PutObject", "iam:PassRole", "sqs:SendMessage"} <= set(actions)
    assert len(allowed_calls(policy(Action="firehose:*"), [STREAM])) > 5


def test_linter_finds_typos_and_wrong_resources() -> None:
    """The linter works at all: an unknown action, and an object action on a bucket's ARN."""

    def findings(action: str) -> list[str]:
        return lint(
            json.dumps({"Version": "2012-10-17", "Statement": policy(Action=[action], Resource=["arn:aws:s3:::b"])})
        )

    assert any("UNKNOWN_ACTION" in finding for finding in findings("s3:PutObjekt"))
    assert any("RESOURCE_MISMATCH" in finding for finding in findings("s3:PutObject"))


def test_old_policy_language_is_refused() -> None:
    """2008-10-17 reads `${…}` and some conditions otherwise."""
    with pytest.raises(AssertionError):
        statements({"Version": "2008-10-17", "Statement": []})
