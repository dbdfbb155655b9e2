"""Runs the whole Pulumi program without a CLI and records what it asked the engine for.

The real SDK, the real program, a mock engine: `RecordingMonitor` keeps each registration's whole request (inputs,
dependencies by property, parent, provider, protection, error hooks), where the stock monitor keeps only the state.
`run_program` can run a changed copy of the program, which is how the mutation tests know that the checks notice.

Not shown by any of this: what the engine's diff, the providers' own checks and the clouds themselves would say.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime
import yaml
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import rpc
from pulumi.runtime import settings as pulumi_settings
from pulumi.runtime.stack import run_in_stack

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
ACCOUNT_ID = {"staging": "111122223333", "production": "444455556666"}
REGION = "eu-central-1"
EXTERNAL_ID = "0123456789abcdef0123456789abcdef"
SNOWFLAKE_USER_ARN = "arn:aws:iam::999988887777:user/snowflake-made-this"
SECRETS = {
    "clickstream:snowflakeAdminPrivateKey": "-----BEGIN PRIVATE KEY-----\nnot-a-real-key\n-----END PRIVATE KEY-----\n",
    "clickstream:snowflakeExternalId": EXTERNAL_ID,
}
OWN_DOMAIN = {"clickstream:domainName": "collect.shop.example", "clickstream:hostedZoneId": "Z0123456789"}
FRONTED = {**OWN_DOMAIN, "clickstream:cloudFront": "true"}
UNKNOWN = "<unknown until deployed>"


@dataclass(frozen=True)
class Node:
    """One registered resource. `inputs` in wire names (camelCase), secrets unwrapped; `secret_inputs` names those
    that were secret.
    """

    order: int
    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: dict[str, Any]
    secret_inputs: frozenset[str]
    secret_outputs: frozenset[str]
    depends_on: frozenset[str]
    property_dependencies: dict[str, frozenset[str]]
    protect: bool
    ignore_changes: frozenset[str]
    provider: str
    on_error: tuple[str, ...]


@dataclass
class Graph:
    """All registrations of one run, by URN, with the stack's exports and the names of those that are secret."""

    nodes: dict[str, Node] = field(default_factory=dict)
    duplicates: list[str] = field(default_factory=list)
    exports: dict[str, Any] = field(default_factory=dict)
    secret_exports: set[str] = field(default_factory=set)

    def of(self, type_: str) -> list[Node]:
        """Every node of a type, given in full or by its last part (`Bucket`)."""
        return [node for node in self.nodes.values() if node.type == type_ or node.type.split(":")[-1] == type_]

    def named(self, name: str, type_: str = "") -> Node:
        """The one node of that logical name."""
        found = [node for node in self.nodes.values() if node.name == name and (not type_ or node in self.of(type_))]
        assert len(found) == 1, f"{name} {type_}: {[node.urn for node in found]}"
        return found[0]

    def leads_to(self, node: Node) -> set[str]:
        """URNs that `node` waits for, directly or through others."""
        seen: set[str] = set()
        todo = [node.urn]
        while todo:
            for urn in self.nodes[todo.pop()].depends_on - seen:
                if urn in self.nodes:
                    seen.add(urn)
                    todo.append(urn)
        return seen


def plain(value: Any) -> Any:
    """A wire value without secret wrappers; unknown values become `UNKNOWN`."""
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return plain(value["value"])
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value).__name__ == "Unknown":
        return UNKNOWN
    return value


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(rpc._special_sig_key) == rpc._special_secret_sig


class RecordingMonitor(pulumi_mocks.MockMonitor):
    """A mock engine that remembers whole registrations."""

    def __init__(self, mocks: pulumi_mocks.Mocks, graph: Graph) -> None:
        super().__init__(mocks)
        self.graph = graph

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  (the engine's own name)
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type == "pulumi:pulumi:Stack":
            return response
        if response.urn in self.graph.nodes:
            self.graph.duplicates.append(response.urn)
        raw = rpc.deserialize_properties(request.object, keep_unknowns=True)
        self.graph.nodes[response.urn] = Node(
            order=len(self.graph.nodes),
            urn=response.urn,
            type=request.type,
            name=request.name,
            parent=request.parent,
            custom=request.custom,
            inputs=plain(raw),
            secret_inputs=frozenset(key for key, value in raw.items() if _is_secret(value)),
            secret_outputs=frozenset(request.additionalSecretOutputs),
            depends_on=frozenset(request.dependencies),
            property_dependencies={key: frozenset(of.urns) for key, of in request.propertyDependencies.items()},
            protect=request.protect,
            ignore_changes=frozenset(request.ignoreChanges),
            provider=request.provider,
            on_error=tuple(request.hooks.on_error),
        )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        if "::pulumi:pulumi:Stack::" in request.urn:
            outputs = rpc.deserialize_properties(request.outputs, keep_unknowns=True)
            self.graph.exports = plain(outputs)
            self.graph.secret_exports = {key for key, value in outputs.items() if _is_secret(value)}
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def _invoke_arn(arn: str) -> str:
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"


def outputs_of(type_: str, name: str, inputs: Mapping[str, Any], account: str) -> dict[str, Any]:
    """What the clouds would say of a resource, as far as the program reads it."""
    given = inputs.get("name", name)
    at = f"{REGION}:{account}"
    match type_.split(":")[-1]:
        case "Bucket":
            return {"arn": f"arn:aws:s3:::{inputs['bucket']}", "id": inputs["bucket"]}
        case "FirehoseDeliveryStream":
            return {"arn": f"arn:aws:firehose:{at}:deliverystream/{given}"}
        case "Role" | "Policy" as kind:
            return {"arn": f"arn:aws:iam::{account}:{kind.lower()}/{given}", "id": given}
        case "LogGroup":
            return {"arn": f"arn:aws:logs:{at}:log-group:{given}", "id": given}
        case "LogStream":
            return {"arn": f"arn:aws:logs:{at}:log-group:{inputs['logGroupName']}:log-stream:{given}"}
        case "Queue":
            url = f"https://sqs.{REGION}.amazonaws.com/{account}/{given}"
            return {"arn": f"arn:aws:sqs:{at}:{given}", "url": url, "id": url}
        case "MetricAlarm":
            return {"arn": f"arn:aws:cloudwatch:{at}:alarm:{given}"}
        case "Topic":
            return {"arn": f"arn:aws:sns:{at}:{given}"}
        case "Alias":
            arn = f"arn:aws:lambda:{at}:function:{inputs['functionName']}:{given}"
            return {"arn": arn, "invokeArn": _invoke_arn(arn)}
        case "Certificate":
            arn = f"arn:aws:acm:{inputs.get('region', REGION)}:{account}:certificate/made"
            proof = {"resourceRecordName": "_proof", "resourceRecordType": "CNAME", "resourceRecordValue": "_value"}
            return {"arn": arn, "domainValidationOptions": [proof]}
        case "Record":
            return {"fqdn": inputs["name"]}
        case "DomainName":
            target = {"targetDomainName": f"d-1.execute-api.{REGION}.amazonaws.com", "hostedZoneId": "ZREGIONAL"}
            return {"domainNameConfiguration": {**inputs["domainNameConfiguration"], **target}}
        case "Distribution":
            return {"domainName": "d111.cloudfront.net", "hostedZoneId": "ZGLOBAL"}
        case "WebAcl":
            return {"arn": f"arn:aws:wafv2:us-east-1:{account}:global/webacl/{given}/made"}
        case "Function":
            arn = f"arn:aws:lambda:{at}:function:{given}"
            return {"arn": arn, "version": "7", "invokeArn": _invoke_arn(arn)}
        case "Api":
            return {
                "id": "a1b2c3",
                "apiEndpoint": f"https://a1b2c3.execute-api.{REGION}.amazonaws.com",
                "executionArn": f"arn:aws:execute-api:{at}:a1b2c3",
            }
    return snowflake_outputs(type_, inputs)


def snowflake_outputs(type_: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Computed outputs of the Snowflake resources that others read."""
    if not type_.startswith("snowflake:"):
        return {}
    path = [inputs[key] for key in ("database", "schema", "name") if key in inputs]
    outputs: dict[str, Any] = {"fullyQualifiedName": ".".join(f'"{part}"' for part in path)}
    if type_.endswith(":StorageIntegrationAws"):
        outputs["describeOutputs"] = [
            {"iamUserArn": SNOWFLAKE_USER_ARN, "externalId": plain(inputs["storageAwsExternalId"]), "id": ""}
        ]
    if type_.endswith(":Pipe"):
        outputs["notificationChannel"] = f"arn:aws:sqs:{REGION}:999988887777:sf-snowpipe-made-this"
    return outputs


class PlainMocks(pulumi_mocks.Mocks):
    """Answers each registration with its inputs and `outputs_of`; touches nothing."""

    def __init__(self, account: str) -> None:
        self.account = account

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        computed = outputs_of(args.typ, args.name, args.inputs, self.account)
        return computed.pop("id", f"{args.name}-id"), {**args.inputs, **computed}

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program asks the engine: {args.token}; it should need no lookup")


class PreviewMocks(PlainMocks):
    """A first preview: no resource exists, nothing that a cloud computes is known."""

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        return None, dict(args.inputs)


def example_config(stack: str) -> dict[str, str]:
    """The example stack's settings as the CLI hands them over (strings, lists as JSON), without the secrets."""
    config = yaml.safe_load((INFRA / f"Pulumi.{stack}.example.yaml").read_text())["config"]
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def run_program(
    stack: str = "production",
    *,
    config: Mapping[str, str | None] | None = None,
    secret_keys: tuple[str, ...] = tuple(SECRETS),
    preview: bool = False,
    mocks: pulumi_mocks.Mocks | None = None,
    folder: Path = INFRA,
    graph: Graph | None = None,
) -> Graph:
    """Run `folder/__main__.py` as the language host would. `config` changes the example's settings (None removes one).

    Raises what the program raises; `graph` (when given) then holds what had been registered so far.
    """
    settings = {**example_config(stack if stack in ACCOUNT_ID else "production"), **SECRETS, **(config or {})}
    recorded = Graph() if graph is None else graph
    answers = mocks or (PreviewMocks if preview else PlainMocks)(settings["clickstream:awsAccountId"] or "")

    # The loop comes first: the SDK ties futures to the current loop as soon as the mocks are set.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    given = {key: value for key, value in settings.items() if value is not None}
    pulumi.runtime.set_all_config(given, list(secret_keys))
    pulumi_settings.set_root_resource(None)  # type: ignore[arg-type]  # forgets the run before
    pulumi_mocks.set_mocks(
        answers, project="clickstream", stack=stack, preview=preview, monitor=RecordingMonitor(answers, recorded)
    )
    pulumi_settings.set_root_resource(None)  # type: ignore[arg-type]  # run_in_stack makes its own
    try:
        loop.run_until_complete(run_in_stack(lambda: _program(folder)))
    finally:
        loop.close()
    return recorded


def _program(folder: Path) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "ingestion_path"]:
        del sys.modules[name]
    # run_path puts the folder on sys.path while it runs, as the language host does.
    runpy.run_path(str(folder), run_name="__main__")
