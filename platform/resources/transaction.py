"""A transaction, the same on every warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def transaction(execute: Callable[[str], object], wanted: bool = True) -> Iterator[None]:
    """One transaction around the block, undone if it fails; nothing when it is not `wanted`, since an outer one holds."""
    if not wanted:
        yield
        return
    execute("begin")
    try:
        yield
    except BaseException:
        execute("rollback")
        raise
    execute("commit")
