"""Checks recorded inputs against the SDK's own types, which the mocks do not: they take any nested key and any scalar.

For each resource the generated arguments class says which inputs exist, which are required and what kind each is.
Found by it and by nothing else here: an unknown or missing nested key, "five" for a number, a bool where the provider
wants "true". Values of enumerations and ranges are not checked.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import types
import typing
from enum import Enum
from functools import cache
from typing import Any

import pulumi
from infra_harness import UNKNOWN, Graph, Node
from pulumi import _types
from pulumi.runtime import rpc


def shape_problems(graph: Graph) -> list[str]:
    """One line for each input that the SDK's types do not allow."""
    problems: list[str] = []
    for node in graph.nodes.values():
        if node.custom and not node.type.startswith("pulumi:providers:"):
            problems += _of_class(node.inputs, _arguments_class(node.type), f"{node.type.split(':')[-1]} {node.name}")
    return problems


@cache
def _arguments_class(type_: str) -> type:
    package, module, _name = type_.split(":")
    registered: list[Any] = rpc._RESOURCE_MODULES[f"{package}:{module}"]
    known = {item.mod_info["mod"]: item.mod_info for item in registered}
    info = known[module]
    python = importlib.import_module(info["fqn"])
    class_name = info["classes"][type_]
    # Where a nested type took the plain name (BucketVersioningArgs), the resource's own class is ...InitArgs.
    resource = importlib.import_module(getattr(python, class_name).__module__)
    found: type = getattr(resource, f"{class_name}InitArgs", None) or getattr(resource, f"{class_name}Args")
    return found


@cache
def _fields(cls: type) -> tuple[dict[str, Any], frozenset[str]]:
    """Wire name to type, and the required wire names."""
    constructor: Any = cls.__init__  # type: ignore[misc]
    hints = typing.get_type_hints(constructor)
    wire = _types.input_type_py_to_pulumi_names(cls)
    parameters = inspect.signature(constructor).parameters
    required = {
        wire[name] for name in wire if name in parameters and parameters[name].default is inspect.Parameter.empty
    }
    return {wire[name]: hints[name] for name in wire if name in hints}, frozenset(required)


def _of_class(value: dict[str, Any], cls: type, path: str) -> list[str]:
    fields, required = _fields(cls)
    problems = [f"{path}.{key}: no such input" for key in value if key not in fields]
    problems += [f"{path}.{key}: missing" for key in required - set(value)]
    for key, item in value.items():
        if key in fields:
            problems += _of_type(item, fields[key], f"{path}.{key}")
    return problems


def _of_type(value: Any, type_: Any, path: str) -> list[str]:
    if value is None or value == UNKNOWN:
        return []
    answers = [_of_alternative(value, alternative, path) for alternative in _alternatives(type_)]
    fitting = [answer for answer in answers if answer is not None]
    if not fitting:
        return [f"{path}: {value!r} is not {_describe(type_)}"]
    return min(fitting, key=len)


def _of_alternative(value: Any, type_: Any, path: str) -> list[str] | None:
    """Problems inside a value of the right kind; None where the kind itself is wrong."""
    if type_ is Any:
        return []
    origin = typing.get_origin(type_)
    if origin in (list, collections.abc.Sequence):
        if not isinstance(value, list):
            return None
        (item_type,) = typing.get_args(type_)
        return [
            problem for index, item in enumerate(value) for problem in _of_type(item, item_type, f"{path}[{index}]")
        ]
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            return None
        item_type = typing.get_args(type_)[1]
        return [problem for key, item in value.items() for problem in _of_type(item, item_type, f"{path}.{key}")]
    if not isinstance(type_, type):
        raise NotImplementedError(f"{path}: the shape check does not know {type_}")
    if _types.is_input_type(type_):
        return _of_class(value, type_, path) if isinstance(value, dict) else None
    if type_ in (int, float):
        return [] if isinstance(value, (int, type_)) and not isinstance(value, bool) else None
    if issubclass(type_, Enum):
        return [] if value in [member.value for member in type_] else None
    return [] if isinstance(value, type_) else None


def _alternatives(type_: Any) -> list[Any]:
    """The plain types in Input[Optional[Union[…]]]."""
    found: list[Any] = []
    for item in typing.get_args(type_) if _is_union(type_) else [type_]:
        origin = typing.get_origin(item)
        if _is_union(item):
            found += _alternatives(item)
        elif origin in (pulumi.Output, collections.abc.Awaitable) or item is type(None) or typing.is_typeddict(item):
            continue
        else:
            found.append(item)
    return found


def _is_union(type_: Any) -> bool:
    return typing.get_origin(type_) in (typing.Union, types.UnionType)


def _describe(type_: Any) -> str:
    return " or ".join(getattr(item, "__name__", str(item)) for item in _alternatives(type_))


def node_problems(node: Node, inputs: dict[str, Any]) -> list[str]:
    """The same check for one resource with other inputs."""
    return _of_class(inputs, _arguments_class(node.type), node.name)
