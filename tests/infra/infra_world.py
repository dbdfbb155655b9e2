"""The program's AWS side, applied to moto: each registration becomes the boto3 call it stands for.

The SDK's own resolution of outputs is the applier, botocore checks each parameter against AWS's models, and a type
that this module does not know fails the run. What is Snowflake's is answered as in the plain mocks, but its
notification channel is a real queue. Policies are not enforced (infra_policies.py says why). The bucket's TLS-only
policy is stored, then taken off before traffic: moto does not know `aws:SecureTransport` and applies the Deny to
every call.
"""

from __future__ import annotations

import urllib.request
from typing import Any

import boto3
from infra_harness import REGION, Graph, plain, run_program, snowflake_outputs
from infra_moto import ACCOUNT, MAKERS
from moto.server import ThreadedMotoServer
from pulumi.runtime import mocks as pulumi_mocks

SNOWPIPE_QUEUE = "stands-for-snowpipe"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


class World(pulumi_mocks.Mocks):
    """`graph` and, by URN-free logical name, what moto made; `client(service)` for the tests."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.made: dict[tuple[str, str], dict[str, Any]] = {}
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A boto3 client that talks to moto."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.endpoint,
                region_name=REGION,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
        return self._clients[service]

    def outputs(self, graph: Graph) -> dict[str, dict[str, Any]]:
        """Outputs by URN."""
        return {
            urn: self.made[node.type, node.name]
            for urn, node in graph.nodes.items()
            if (node.type, node.name) in self.made
        }

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program asks the engine: {args.token}; it should need no lookup")

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        inputs = plain(args.inputs)
        if not args.typ.startswith("aws:"):
            outputs = snowflake_outputs(args.typ, inputs)
            if "notificationChannel" in outputs:
                url = self.client("sqs").create_queue(QueueName=SNOWPIPE_QUEUE)["QueueUrl"]
                queue = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
                outputs["notificationChannel"] = queue["Attributes"]["QueueArn"]
            return f"{args.name}-id", {**args.inputs, **outputs}
        make = MAKERS.get(args.typ.split(":")[-1])
        if make is None:
            raise NotImplementedError(f"infra_moto.py cannot make {args.typ}: add it to MAKERS")
        identity, outputs = make(self, inputs)
        self.made[args.typ, args.name] = {**inputs, **outputs, "id": identity}
        return identity, {**args.inputs, **outputs}


class AppliedWorld:
    """A moto server with the program applied to it: `graph`, `world`, and the server to stop."""

    def __init__(self, stack: str) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        # moto's state is the process's, whatever server asks for it: what an earlier world made goes.
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")).close()
        self.world = World(self.endpoint)
        self.graph = run_program(stack, config={"clickstream:awsAccountId": ACCOUNT}, mocks=self.world)

    def stop(self) -> None:
        self._server.stop()
