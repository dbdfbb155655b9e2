"""The running path: the applied graph's functions in Lambda's own runtime client, behind a router made from its API.

moto is S3, SQS and Firehose; `FirehoseEmulator` adds the buffering and gzip that moto leaves out.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from firehose import FirehoseEmulator
from infra_harness import Graph, Node
from infra_http_api import HttpApi
from infra_lambda import LambdaProcess, unpack
from infra_world import CREDENTIALS, SNOWPIPE_QUEUE, AppliedWorld


def function_node(graph: Graph, name: str) -> Node:
    return graph.named(name, "aws:lambda/function:Function")


class RunningPath:
    """The running path: `api` in front, `firehose` to disturb, `objects()` and `announced()` at the end."""

    def __init__(self, applied: AppliedWorld, firehose: FirehoseEmulator, run: Callable[[str], LambdaProcess]) -> None:
        self._world, self.firehose = applied.world, firehose
        self.collector, self.redrive = run("collector"), run("redrive")
        self._seconds = [(process, process.seconds_left) for process in (self.collector, self.redrive)]
        outputs = self._world.outputs(applied.graph)
        arn = outputs[applied.graph.named("collector-live").urn]["invokeArn"]
        self.api = HttpApi(applied.graph, outputs, {arn: self.collector.invoke})
        self.bucket = applied.graph.exports["bucket"]
        self.parked = self._world.made["aws:sqs/queue:Queue", "fallback"]["url"]
        self.seen: set[str] = set()

    def calm(self) -> None:
        """Nothing refused, deadlines as recorded, nothing left over."""
        self.firehose.refuse_calls(0)
        for process, seconds in self._seconds:
            process.seconds_left = seconds
        self.delivered()
        self.messages(self.parked)

    def objects(self) -> dict[str, list[dict[str, Any]]]:
        """Objects that are new since the last call, with their records."""
        s3 = self._world.client("s3")
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        new = [key for key in keys if key not in self.seen]
        self.seen |= set(new)
        return {
            key: [
                json.loads(line)
                for line in gzip.decompress(s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()).splitlines()
            ]
            for key in new
        }

    def announced(self) -> list[str]:
        """Keys that S3 announced on the pipe's queue since the last call."""
        return [
            unquote_plus(record["s3"]["object"]["key"])
            for body in self.messages(self._world.client("sqs").get_queue_url(QueueName=SNOWPIPE_QUEUE)["QueueUrl"])
            for record in json.loads(body["Body"]).get("Records", [])
        ]

    def messages(self, url: str) -> list[dict[str, Any]]:
        """Takes what lies in a queue."""
        sqs, taken = self._world.client("sqs"), []
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            taken += batch
            for message in batch:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def delivered(self) -> list[dict[str, Any]]:
        """Flush the stream; every record of the new objects, each of which must have been announced."""
        self.firehose.flush()
        objects = self.objects()
        assert sorted(self.announced()) == sorted(objects)
        return [record for records in objects.values() for record in records]


def start(applied: AppliedWorld, name: str, folder: Path, changes: Mapping[str, str] | None = None) -> LambdaProcess:
    """A function of the applied graph with its recorded environment; `changes` are said last."""
    given = function_node(applied.graph, name).inputs
    environment = {**CREDENTIALS, **given["environment"]["variables"], "AWS_ENDPOINT_URL": applied.endpoint}
    root = unpack(given["code"], folder)
    return LambdaProcess(root, given["handler"], given["timeout"], {**environment, **(changes or {})})


@contextmanager
def running_path(applied: AppliedWorld, new_folder: Callable[[str], Path]) -> Iterator[RunningPath]:
    """Both functions running; `new_folder` makes an empty one."""
    applied.world.client("s3").delete_bucket_policy(Bucket=applied.graph.exports["bucket"])
    with ExitStack() as stack:
        yield RunningPath(
            applied,
            stack.enter_context(FirehoseEmulator()),
            lambda name: stack.enter_context(start(applied, name, new_folder(name))),
        )


def logged(process: LambdaProcess, act: Callable[[], Any]) -> str:
    """What the function logged while `act` ran, once its line is there."""
    before = len(process.log)
    act()
    deadline = time.monotonic() + 10
    while not (new := process.log[before:]).endswith("\n"):
        assert time.monotonic() < deadline, "nothing was logged"
        time.sleep(0.02)
    return new
