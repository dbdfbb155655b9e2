"""Evaluates recorded IAM policies, because nothing else here can.

moto evaluates Firehose calls against "*" (an exact ARN is denied, a wildcard allowed) and has no policy simulator.
This evaluator knows Allow, Deny, wildcards, StringEquals, StringLike and Bool, and raises on any element it does not
know, so a policy it misreads cannot pass. The list of all actions of all services comes from `parliament`, whose own
findings are used beside it.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

Statement = Mapping[str, Any]
KNOWN_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}


def statements(policy: str | Mapping[str, Any]) -> list[Statement]:
    """The statements of a policy document, given as text or parsed."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    assert document["Version"] == "2012-10-17"
    return list(document["Statement"])


def is_allowed(
    policies: Iterable[Statement],
    action: str,
    resource: str | None = None,
    *,
    principal: Mapping[str, str] | None = None,
    context: Mapping[str, str] | None = None,
) -> bool:
    """Whether the statements together allow the call: some Allow applies and no Deny does."""
    effects = {
        statement["Effect"]
        for statement in policies
        if _applies(statement, action, resource, principal or {}, context or {})
    }
    return effects == {"Allow"}


def denies(policies: Iterable[Statement], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether some statement denies the call outright, whoever makes it."""
    anybody = {"AWS": "arn:aws:iam::123456789012:role/anybody"}
    return any(item["Effect"] == "Deny" and _applies(item, action, resource, anybody, context) for item in policies)


def mentioned_actions(policies: Iterable[Statement]) -> Iterator[tuple[str, Statement]]:
    """Every action of AWS that some statement's Action matches, with the statement: the only calls that can be
    allowed.
    """
    for statement in policies:
        patterns = [_pattern(action.lower()) for action in _list(statement["Action"])]
        for action in all_actions():
            if any(pattern.fullmatch(action.lower()) for pattern in patterns):
                yield action, statement


def allowed_calls(
    policies: Sequence[Statement], resources: Iterable[str], context: Mapping[str, str] | None = None
) -> set[tuple[str, str]]:
    """All (action, resource) pairs, out of every action of AWS and the given resources, that the statements allow."""
    candidates = {action for action, _ in mentioned_actions(policies)}
    return {
        (action, resource)
        for action in candidates
        for resource in resources
        if is_allowed(policies, action, resource, context=context)
    }


def _applies(
    statement: Statement, action: str, resource: str | None, principal: Mapping[str, str], context: Mapping[str, str]
) -> bool:
    unknown = set(statement) - KNOWN_ELEMENTS
    if unknown or statement["Effect"] not in ("Allow", "Deny"):
        raise NotImplementedError(f"the evaluator does not know {unknown or statement['Effect']}")
    return (
        any(_pattern(pattern.lower()).fullmatch(action.lower()) for pattern in _list(statement["Action"]))
        and (
            "Resource" not in statement
            or any(_pattern(item).fullmatch(resource or "") for item in _list(statement["Resource"]))
        )
        and ("Principal" not in statement or _is_principal(statement["Principal"], principal))
        and all(_holds(operator, wanted, context) for operator, wanted in statement.get("Condition", {}).items())
    )


def _is_principal(wanted: Any, principal: Mapping[str, str]) -> bool:
    if wanted == "*":
        return True
    if set(wanted) - {"Service", "AWS"}:
        raise NotImplementedError(f"the evaluator does not know the principal {wanted}")
    return any(principal.get(kind) in _list(names) for kind, names in wanted.items())


def _holds(operator: str, wanted: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """A condition block; a key that the request does not have fails it, as in IAM."""
    if operator in ("StringEquals", "Bool"):
        return all(context.get(key) in _list(values) for key, values in wanted.items())
    if operator == "StringLike":
        return all(
            key in context and any(_pattern(value).fullmatch(context[key]) for value in _list(values))
            for key, values in wanted.items()
        )
    raise NotImplementedError(f"the evaluator does not know the condition {operator}")


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


@cache
def _pattern(wildcard: str) -> re.Pattern[str]:
    if "${" in wildcard:
        raise NotImplementedError(f"the evaluator does not know policy variables: {wildcard}")
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in wildcard))


@lru_cache(maxsize=1)
def _parliament() -> Any:
    """The policy linter. It asks for pkg_resources, which setuptools 82 dropped, only to find two files of its own."""
    spec = importlib.util.find_spec("parliament")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent
    stand_in = types.ModuleType("pkg_resources")
    stand_in.resource_filename = lambda _, name: str(folder / name)  # type: ignore[attr-defined]
    had = sys.modules.get("pkg_resources")
    sys.modules["pkg_resources"] = stand_in
    try:
        import parliament
    finally:
        if had is None:
            del sys.modules["pkg_resources"]
        else:
            sys.modules["pkg_resources"] = had
    return parliament


@lru_cache(maxsize=1)
def all_actions() -> tuple[str, ...]:
    """Every action of every AWS service that the linter knows (about ten thousand), such as s3:PutObject."""
    return tuple(
        f"{service['prefix']}:{privilege['privilege']}"
        for service in _parliament().iam_definition
        for privilege in service["privileges"]
    )


def lint(policy: str) -> list[str]:
    """The linter's findings on an identity policy: unknown actions, actions that do not fit their resource, bad
    conditions.
    """
    analysis = _parliament().analyze_policy_string(policy)
    return [f"{finding.issue}: {finding.detail}" for finding in analysis.findings]
