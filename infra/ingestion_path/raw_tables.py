"""The raw layer as the platform's own SQL files say it: tables to declare, and the COPY that the pipe runs.

`platform/resources/snowflake/` is read as text, as `collector/` is for the Lambda package: this program imports no
platform, and a raw column still stands in one place for the loader, the pipe and Pulumi. What the reader does not
understand ends the program before anything is declared, so that a change of those files cannot be half understood.

`tables.sql` holds more tables than are declared here: the loader creates those when it first runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pulumi

SQL = Path(__file__).resolve().parents[2] / "platform" / "resources" / "snowflake"


@dataclass(frozen=True)
class RawTable:
    """A table's columns, name to type, in order, and the columns that it is clustered by; all in upper case, as
    Snowflake keeps unquoted names.
    """

    name: str
    columns: dict[str, str]
    cluster_by: tuple[str, ...]


@dataclass(frozen=True)
class RawLayer:
    """The two tables that are declared, and the pipe's COPY with `{table}`, `{stage}` and `{file_format}` left open."""

    logs: RawTable
    load_history: RawTable
    copy_template: str

    def copy_into_logs(self, **names: str) -> str:
        """The pipe's statement for `table`, `stage` and `file_format`, fully qualified."""
        return re.sub(r"\{(table|stage|file_format)\}", lambda place: names[place[1]], self.copy_template)


def read() -> RawLayer:
    """Read both files; raises `pulumi.RunError` with one line on the first thing that cannot be declared."""
    return RawLayer(_table("LOGS"), _table("LOAD_HISTORY"), _copy_template())


def _table(name: str) -> RawTable:
    for statement in _code("tables.sql").upper().split(";"):
        match = re.fullmatch(
            rf"CREATE TABLE IF NOT EXISTS RAW\.{name} \((?P<columns>.+?)\)(?: CLUSTER BY \((?P<keys>[\w, ]+)\))?",
            " ".join(statement.split()),
        )
        if match:
            keys = tuple(match["keys"].split(", ")) if match["keys"] else ()
            return RawTable(name, dict(_column(name, text) for text in _at_top_level(match["columns"])), keys)
    raise pulumi.RunError(f"{SQL / 'tables.sql'} creates no table RAW.{name} in a form that this program reads")


def _copy_template() -> str:
    """The loader's COPY as a pipe's: the same SELECT and ON_ERROR, without the list of files, its names left open."""
    text = _code("copy_logs.sql").strip()
    for pattern, replacement in (
        # A pipe takes what S3 announces, once: both options are the loader's alone, and Snowflake refuses them here.
        (r"\nfiles = \(:files\)", ""),
        (r"\nforce = true", ""),
        (r"(?<=copy into )raw\.logs\b", "{table}"),
        (r"(?<=from @)raw\.archive\b", "{stage}"),
        (r"(?<=format_name = ')raw\.\w+(?=')", "{file_format}"),
    ):
        text, count = re.subn(pattern, replacement, text)
        if count != 1:
            raise pulumi.RunError(f"{SQL / 'copy_logs.sql'} holds {pattern!r} {count} times instead of once")
    return text


def _code(file: str) -> str:
    """A file of the platform without its comments."""
    return re.sub(r"^\s*--.*\n", "", (SQL / file).read_text(), flags=re.M)


def _at_top_level(columns: str) -> list[str]:
    """`a number(38, 0), b date` cut at the commas that are not in brackets."""
    return re.split(r",\s*(?![^()]*\))", columns.strip())


def _column(table: str, text: str) -> tuple[str, str]:
    """Name and type. A default or a constraint is refused: the declared table would lack it."""
    match = re.fullmatch(r"(\w+) (\w+(?:\([\d, ]+\))?)", text.strip())
    if match is None:
        raise pulumi.RunError(f"{SQL / 'tables.sql'}: cannot declare the column {text.strip()!r} of RAW.{table}")
    return match[1], match[2]
