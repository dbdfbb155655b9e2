"""The raw tables and the pipe's COPY: read from the platform's SQL files, bound to this stack, and refused where a pipe or
the provider could not take what those files say.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pulumi
import pytest
import sqlglot
from infra_harness import INFRA, ROOT, Graph, run_program
from sqlglot import exp

SQL = Path("platform/resources/snowflake")
# From Snowflake's list of functions for COPY transformations, as far as the statement uses it.
ALLOWED_FUNCTIONS = {
    "CASE", "CAST", "COALESCE", "CONVERT_TIMEZONE", "GET_PATH", "NULLIF", "REGEXP_SUBSTR", "REPLACE", "SPLIT_PART",
    "TO_TIMESTAMP", "TO_TIMESTAMP_NTZ", "TRIM", "TRY_TO_DATE", "TRY_TO_NUMBER", "UUID_STRING",
}  # fmt: skip
KEYWORDS = {"AND", "BETWEEN", "ELSE", "IN", "THEN", "WHEN"}


def pipe_copy(graph: Graph) -> tuple[exp.Copy, str]:
    """The pipe's COPY, parsed as Snowflake's SQL, and its text."""
    text = graph.named("snowpipe-pipe").inputs["copyStatement"]
    (copy,) = sqlglot.parse(text, dialect="snowflake")
    assert isinstance(copy, exp.Copy)
    return copy, text


@pytest.mark.parametrize("table", ["LOGS", "LOAD_HISTORY"])
def test_declared_tables_are_those_that_the_loader_would_create(production: Graph, table: str) -> None:
    """The loader creates what it does not find: with other columns or clustering, the second of the two would fail."""
    script = (ROOT / SQL / "tables.sql").read_text()
    (created,) = [
        statement
        for statement in sqlglot.parse(script, dialect="snowflake")
        if isinstance(statement, exp.Create) and statement.this.this.name.upper() == table
    ]
    columns = {item.name.upper(): item.args["kind"] for item in created.this.expressions}
    (declared,) = [node.inputs for node in production.of("Table") if node.inputs["name"] == table]
    assert list(columns) == [column["name"] for column in declared["columns"]]
    for column in declared["columns"]:
        assert exp.DataType.build(column["type"], dialect="snowflake") == columns[column["name"]]
    keys = re.search(r"CLUSTER BY \(([^)]*)\)", created.sql("snowflake").upper())
    assert declared.get("clusterBies", []) == (keys[1].split(", ") if keys else [])


def test_pipe_fills_every_declared_column(production: Graph) -> None:
    """A column missing from the COPY would be NULL in what the pipe loads, whoever added it to the table."""
    copy, _ = pipe_copy(production)
    (select,) = copy.find_all(exp.Select)
    names = [column.name.upper() for column in copy.this.expressions]
    declared = production.named("warehouse-logs").inputs["columns"]
    assert names == [column["name"] for column in declared]
    assert len(select.expressions) == len(names)


def test_pipe_takes_no_option_that_is_the_loaders_alone(production: Graph) -> None:
    """Snowflake refuses FILES and FORCE in a pipe; without ON_ERROR a pipe drops the whole file of one bad line."""
    _, text = pipe_copy(production)
    assert not re.search(r"\bfiles\b|\bforce\b|:files|--", text, re.I)
    assert text.endswith("on_error = continue")


def test_pipe_is_bound_to_its_own_stack(production: Graph, staging: Graph) -> None:
    """Two stacks in one Snowflake account must not load into each other's tables, nor from each other's stage."""
    for graph, other in ((production, "CLICKSTREAM_STAGING"), (staging, "CLICKSTREAM_PRODUCTION")):
        _, text = pipe_copy(graph)
        raw = f'"{graph.exports["database"]}"."RAW"'
        for part in (
            f'copy into {raw}."LOGS" (',
            f'from @{raw}."ARCHIVE"\n',
            f"format_name = '{raw}.\"ARCHIVE_JSON\"'",
        ):
            assert part in text
        assert other not in text
        assert not re.search(r"\braw\.", text), "a name without its database"


def test_copy_keeps_to_functions_that_a_load_allows(production: Graph) -> None:
    """COPY takes a short list of functions, and one that raises stops the load in spite of ON_ERROR = CONTINUE."""
    copy, _ = pipe_copy(production)
    (select,) = copy.find_all(exp.Select)
    used = {name.upper() for source in select.expressions for name in functions(source)}
    assert used <= ALLOWED_FUNCTIONS, used - ALLOWED_FUNCTIONS
    casts = {cast.to.sql("snowflake") for source in select.expressions for cast in source.find_all(exp.Cast)}
    assert casts <= {"VARCHAR", "TIMESTAMPNTZ", "TIMESTAMP_NTZ", "DATE"}, "a cast of text to a number or time may raise"


def functions(source: exp.Expression) -> Iterator[str]:
    """Names before an opening bracket."""
    tokens = sqlglot.tokenize(source.sql("snowflake"), read="snowflake")
    for token, following in pairwise(tokens):
        if following.text == "(" and token.text.isidentifier() and token.text.upper() not in KEYWORDS:
            yield token.text


@pytest.fixture
def copy_of_repository(tmp_path: Path) -> Path:
    """The program with the platform's SQL files beside it, to be changed."""
    shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "collector").symlink_to(ROOT / "collector")
    shutil.copytree(ROOT / SQL, tmp_path / SQL)
    return tmp_path


def test_new_raw_column_reaches_table_and_pipe_by_itself(copy_of_repository: Path) -> None:
    """A raw column is written down in the platform's two files and nowhere in this program."""
    tables, copy = copy_of_repository / SQL / "tables.sql", copy_of_repository / SQL / "copy_logs.sql"
    tables.write_text(
        tables.read_text().replace("client_id varchar,", "client_id varchar,\n    revision number(38, 0),")
    )
    text = copy.read_text().replace("client_id, data,", "client_id, revision, data,")
    copy.write_text(text.replace("\n        $1,\n", "\n        try_to_number($1:revision::varchar),\n        $1,\n"))
    graph = run_program("production", folder=copy_of_repository / "infra")
    columns = {column["name"]: column["type"] for column in graph.named("warehouse-logs").inputs["columns"]}
    assert columns["REVISION"] == "NUMBER(38, 0)"
    assert "REVISION" in [column.name.upper() for column in pipe_copy(graph)[0].this.expressions]


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("tables.sql", "client_id varchar,", "client_id varchar default 'x',", "cannot declare"),
        ("tables.sql", "if not exists raw.logs", "if not exists raw.hits", "no table RAW.LOGS"),
        ("copy_logs.sql", "force = true", "force = false", "instead of once"),
        ("copy_logs.sql", "copy into raw.logs", "copy into raw.hits", "instead of once"),
        ("copy_logs.sql", "'raw.archive_json'", "'archive_json'", "instead of once"),
    ],
)
def test_sql_that_cannot_be_declared_stops_the_deployment(
    copy_of_repository: Path, file: str, old: str, new: str, says: str
) -> None:
    """Half understood, the files would give a table without its default or a pipe into another stack's table."""
    changed = copy_of_repository / SQL / file
    assert old in changed.read_text()
    changed.write_text(changed.read_text().replace(old, new))
    graph = Graph()
    with pytest.raises(pulumi.RunError, match=says):
        run_program("production", folder=copy_of_repository / "infra", graph=graph)
    assert graph.nodes == {}, "half of the stack was declared first"
