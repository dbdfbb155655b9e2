"""gRPC takes deadlines from Python's clock and holds them against the machine's: with a moved clock each call with a time limit is over
before it begins, or never ends, and a server looks for work without a pause. Its modules for calls and servers get the true time."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace

_MODULES = ("grpc._channel", "grpc._server", "grpc.aio._utils")


class _WhenImported(importlib.abc.MetaPathFinder):
    """Waits for the import of gRPC: most processes do without, and it takes a third of a second."""

    def __init__(self, true_time: Callable[[], float]) -> None:
        self.true_time = true_time

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _MODULES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert spec is not None and spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _give(module, self.true_time)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _give(module: ModuleType, true_time: Callable[[], float]) -> None:
    module.time = SimpleNamespace(**vars(module.time) | {"time": true_time})  # type: ignore[attr-defined]


def keep_true(true_time: Callable[[], float]) -> None:
    """Give gRPC the true time, now or when it is imported."""
    for name in _MODULES:
        if name in sys.modules:
            _give(sys.modules[name], true_time)
    if not any(isinstance(finder, _WhenImported) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenImported(true_time))
