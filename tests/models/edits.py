"""Edits of models' SQL, as recorded_dbt.py has it: what an author of models may do to them, at random, and what a defect may.

An edit takes the SELECT of a model and gives another; `Edited` executes the recorded statements with edits. The names of columns and
their types stay, since a model has a contract.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

Edit = Callable[[str], str]

_MAKE = re.compile(r"create or replace table worked_out\.[a-z]+?__(\w+) as")
_TEXTUAL = (
    (r"\bsum\(", "max("),
    (r"\bmax\(", "min("),
    (r"\bmin\(", "max("),
    (r"\bcount\(\*\)", "count(*) + 1"),
    (r"\bcount\(distinct ", "count("),
    (r"interval '30 minutes'", "interval '7 minutes'"),
    (r"interval '24 hours'", "interval '10 hours'"),
    (r"\bnot is_bot\b", "(not is_bot or hits.is_bot is null)"),
    (r"\bnot is_bot\b", "true"),
    (r"<= ", "< "),
    (r"(?<=[ (])0\.01\b", "0.02"),
    (r"(?<=[ (])1 as ", "2 as "),
    (r"'\(all\)'", "'(everything)'"),
    (r"'\(not set\)'", "'(none)'"),
)


class Shape(NamedTuple):
    """Of one model: its key and the types of its columns."""

    key: Sequence[str]
    types: Mapping[str, str]


class Edited:
    """What `recorded` (RecordedDbt) executes, with `edits` by model; dates in an edit are those of the run."""

    def __init__(self, recorded: Any, edits: Mapping[str, Edit]) -> None:
        self._recorded = recorded
        self._edits = edits

    def template(self) -> Path:
        folder: Path = self._recorded.template()
        return folder

    def run(self, lake: Any, environment: Mapping[str, str], start: date, end: date, select: Sequence[str]) -> None:
        edited = copy.copy(self._recorded)
        statements = self._recorded.statements((end - start).days, tuple(select))
        edited.statements = lambda length, names: [self._edited(sql) for sql in statements]
        edited.run(lake, environment, start, end, select)

    def _edited(self, sql: str) -> str:
        made = _MAKE.match(sql)
        return f"{made[0]} {self._edits[made[1]](sql[made.end() :])}" if made and made[1] in self._edits else sql


def chain(edits: Sequence[Edit]) -> Edit:
    """All of them, one after the other."""

    def edit(sql: str) -> str:
        for one in edits:
            sql = one(sql)
        return sql

    return edit


def replaced(column: str, value: str, where: str) -> Edit:
    """`column` is `value` in the rows of which `where` is true."""
    return lambda sql: (
        f"with unedited as (\n{sql}\n) "
        f"select * replace (case when {where} then {value} else {column} end as {column}) from unedited"
    )


def _some(rng: random.Random, shape: Shape, days: Sequence[str]) -> str:
    """A condition that rows meet by a hash of their key, on some of `days`."""
    chosen = ", ".join(f"date '{day}'" for day in rng.sample(list(days), rng.randint(1, len(days))))
    key = ", ".join(f'"{name}"' for name in shape.key)
    return f"event_date in ({chosen}) and hash({key}, {rng.randrange(1 << 30)}) % {rng.choice((1, 2, 3, 7))} = 0"


def random_edit(rng: random.Random, shape: Shape, days: Sequence[str]) -> tuple[str, Edit]:
    """An edit, with its name. `days` are the dates that the recorded statements have."""
    some = _some(rng, shape, days)
    column = rng.choice([name for name in shape.types if name != "event_date"])
    kind = shape.types[column]
    key = ", ".join(f'"{name}"' for name in shape.key)
    some_days = ", ".join(f"date '{day}'" for day in rng.sample(list(days), rng.randint(1, len(days))))
    pairs = rng.choice((1, 1, 3, 1000))

    def swapped(sql: str) -> str:
        """Two neighbours in an order by chance have each other's value."""
        odd = f"event_date in ({some_days}) and _n % 2 = 1 and _n < {2 * pairs} and _n < _rows"
        even = f"event_date in ({some_days}) and _n % 2 = 0 and _n <= {2 * pairs}"
        window = "over (partition by event_date order by _n)"
        return (
            f"with unedited as (\n{sql}\n), numbered as (select *, count(*) over (partition by event_date) as _rows, "
            f"row_number() over (partition by event_date order by hash({key}), {key}) as _n from unedited) "
            f"select * exclude (_n, _rows) replace (case when {odd} then lead({column}) {window} "
            f"when {even} then lag({column}) {window} else {column} end as {column}) from numbered"
        )

    pattern, with_what = rng.choice(_TEXTUAL)
    offered: dict[str, Edit] = {
        "nothing": lambda sql: sql,
        "comment and layout": lambda sql: f"-- by chance\n  {sql}\n\n-- and by design\n",
        "rows in another order": lambda sql: (
            f"with unedited as (\n{sql}\n) select * from unedited order by hash({key}, {pairs})"
        ),
        f"swap {column}": swapped,
        f"drop rows where {some}": lambda sql: (
            f"with unedited as (\n{sql}\n) select * from unedited where not ({some})"
        ),
        f"double rows where {some}": lambda sql: (
            f"with unedited as (\n{sql}\n) select * from unedited union all select * from unedited where {some}"
        ),
        f"{column} is null where {some}": replaced(column, "null", some),
        f"one {column} for all where {some}": replaced(column, f"max({column}) over (partition by event_date)", some),
        f"{pattern} once becomes {with_what}": lambda sql: _once(pattern, with_what, sql),
    }
    if kind.startswith("DECIMAL(38,9)"):
        offered[f"{column} and a billionth where {some}"] = replaced(
            column, f"cast({column} + 0.000000001 as {kind})", some
        )
    if kind in ("BIGINT", "INTEGER", "SMALLINT"):
        offered[f"{column} and one where {some}"] = replaced(column, f"cast({column} + 1 as {kind})", some)
    if kind == "VARCHAR":
        offered[f"{column} in capitals where {some}"] = replaced(column, f"upper({column})", some)
        offered[f"{column} with a blank where {some}"] = replaced(column, f"{column} || ' '", some)
    if kind == "BOOLEAN":
        offered[f"not {column} where {some}"] = replaced(column, f"not {column}", some)
    name = rng.choice(list(offered))
    return name, offered[name]


def _once(pattern: str, with_what: str, sql: str) -> str:
    places = list(re.finditer(pattern, sql))
    if not places:
        return sql
    place = random.Random(len(sql)).choice(places)
    return f"{sql[: place.start()]}{with_what}{sql[place.end() :]}"
