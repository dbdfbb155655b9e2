"""An HTTP API here: a router built from the recorded graph, because moto's API Gateway answers no request.

Route to integration to function, all as recorded: the payload format, the function's permission for exactly this
method and path, CORS by the API's own list. A request that the recorded resources would not let through does not get
through here.
"""

from __future__ import annotations

import base64
import fnmatch
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra_harness import Graph, Node
from infra_lambda import body_bytes

Invoke = Callable[[dict[str, Any]], dict[str, Any]]
TEXT = ("text/", "application/json", "application/javascript", "application/xml")


@dataclass(frozen=True)
class Answer:
    """What the client gets; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpApi:
    """`functions` maps a function's recorded invoke ARN to what invokes it."""

    def __init__(self, graph: Graph, outputs: Mapping[str, Mapping[str, Any]], functions: Mapping[str, Invoke]) -> None:
        self._outputs, self._functions = outputs, functions
        (api,) = graph.of("aws:apigatewayv2/api:Api")
        (stage,) = graph.of("aws:apigatewayv2/stage:Stage")
        assert stage.inputs["name"] == "$default" and stage.inputs["autoDeploy"] is True
        self._log_format = json.loads(stage.inputs["accessLogSettings"]["format"])
        self.access_log: list[str] = []
        self.throttling = False
        self._cors = api.inputs["corsConfiguration"]
        self._execution_arn = self._of(api)["executionArn"]
        self._integrations = {
            self._of(node)["id"]: node for node in graph.of("aws:apigatewayv2/integration:Integration")
        }
        self._routes = {node.inputs["routeKey"]: node for node in graph.of("aws:apigatewayv2/route:Route")}
        self._permissions = [node.inputs for node in graph.of("aws:lambda/permission:Permission")]
        # How a function may be called: by its name, or by an alias of it.
        self._callees: dict[str, tuple[str, str | None]] = {
            self._of(node)["invokeArn"]: (node.inputs["name"], None)
            for node in graph.of("aws:lambda/function:Function")
        }
        for node in graph.of("aws:lambda/alias:Alias"):
            self._callees[self._of(node)["invokeArn"]] = (node.inputs["functionName"], node.inputs["name"])

    def request(
        self, method: str, path: str, query: str = "", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """One request from 203.0.113.77, and its line in the access log."""
        answer = self._answer(method, path, query, headers, body)
        known = {"$context.status": str(answer.status), "$context.routeKey": f"{method} {path}"}
        self.access_log.append(json.dumps({key: known.get(value, "-") for key, value in self._log_format.items()}))
        return answer

    def _answer(self, method: str, path: str, query: str, headers: Mapping[str, str] | None, body: bytes) -> Answer:
        if self.throttling:
            return Answer(429, {}, b'{"message":"Too Many Requests"}')
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if method == "OPTIONS" and "origin" in sent:
            return Answer(204, self._preflight(sent), b"")
        route = self._routes.get(f"{method} {path}")
        if route is None:
            return Answer(404, {}, b'{"message":"Not Found"}')
        integration = self._integrations[route.inputs["target"].removeprefix("integrations/")].inputs
        assert integration["integrationType"] == "AWS_PROXY" and integration["payloadFormatVersion"] == "2.0"
        uri = integration["integrationUri"]
        if not self._may_invoke(*self._callees[uri], method, path):
            return Answer(500, {}, b'{"message":"Internal Server Error"}')
        answer = self._functions[uri](_event(method, path, query, sent, body))
        returned = {name.lower(): value for name, value in answer.get("headers", {}).items()}
        returned = {name: value for name, value in returned.items() if not name.startswith("access-control-")}
        return Answer(answer["statusCode"], {**returned, **self._allow(sent)}, body_bytes(answer))

    def _of(self, node: Node) -> Mapping[str, Any]:
        return self._outputs[node.urn]

    def _may_invoke(self, function: str, alias: str | None, method: str, path: str) -> bool:
        return any(
            permission["function"] == function
            and permission.get("qualifier") == alias
            and permission["principal"] == "apigateway.amazonaws.com"
            and fnmatch.fnmatchcase(f"{self._execution_arn}/$default/{method}{path}", permission["sourceArn"])
            for permission in self._permissions
        )

    def _allow(self, sent: Mapping[str, str]) -> dict[str, str]:
        if sent.get("origin") not in self._cors["allowOrigins"]:
            return {}
        return {"access-control-allow-origin": sent["origin"], "access-control-allow-credentials": "true"}

    def _preflight(self, sent: Mapping[str, str]) -> dict[str, str]:
        allowed = self._allow(sent)
        if allowed and sent.get("access-control-request-method") in self._cors["allowMethods"]:
            allowed["access-control-allow-methods"] = ",".join(self._cors["allowMethods"])
            allowed["access-control-allow-headers"] = ",".join(self._cors["allowHeaders"])
        return allowed


def _event(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """An event in payload format 2.0; bodies that are not plainly text come in base64."""
    is_text = headers.get("content-type", "text/plain").startswith(TEXT) and "content-encoding" not in headers
    now = int(time.time() * 1000)
    sent = {name: value for name, value in headers.items() if name != "cookie"}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "a1b2c3.execute-api.eu-central-1.amazonaws.com", **sent},
        "requestContext": {
            "domainName": "a1b2c3.execute-api.eu-central-1.amazonaws.com",
            "http": {
                "method": method,
                "path": path,
                "sourceIp": "203.0.113.77",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "stage": "$default",
            "timeEpoch": now,
        },
        "isBase64Encoded": False,
    }
    if "cookie" in headers:
        event["cookies"] = headers["cookie"].split("; ")
    if body:
        event["body"] = body.decode() if is_text else base64.b64encode(body).decode()
        event["isBase64Encoded"] = not is_text
    return event
