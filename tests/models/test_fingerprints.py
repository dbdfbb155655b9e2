"""Which (model, date, column) a comparison of fingerprints names, against what EXCEPT ALL finds in the rows themselves.

Models are edited at random, several at once, over a random archive: `MUTATIONS=200 python -m pytest -n 0 -s tests/models/test_fingerprints.py`.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion_platform.changes import Rules, compare, everything, versions
from ingestion_platform.resources.duckdb.fingerprints import fingerprints_of
from ingestion_platform.resources.duckdb.views import read_files, select_files
from simulations.config import TrafficConfig
from simulations.history import write_day

MUTATIONS = int(os.environ.get("MUTATIONS", "4"))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
AN_ARCHIVE_FOR = 20
"""Mutations that are tried on one archive before there is another."""

DAYS = [date(2026, 3, 30) + timedelta(days=n) for n in range(3)]
END = DAYS[-1] + timedelta(days=1)


def columns_of(source: str) -> dict[str, str]:
    """The types of its columns by name."""
    return {name: kind for name, kind, *_ in duckdb.execute(f"describe select * from {source}").fetchall()}


def published(bench: Any, relation: str) -> str:
    """A SELECT of what is published of a model, read from its files."""
    lake = bench.warehouse.lake
    snapshot = lake.catalog.snapshot()
    return f"({select_files(snapshot.tables[relation], snapshot.files.get(relation, ()), lake.folder)})"


def staged(environment: Mapping[str, str], relation: str) -> str:
    paths = sorted(Path(environment["LAKE_STAGED"]).joinpath(*relation.split(".")).glob("event_date=*/rows.parquet"))
    return read_files(paths, "event_date")


def differing(old: str, new: str, key: list[str], columns: list[str]) -> set[tuple[date, str]]:
    """The dates and columns of which the multisets of (key, value) differ."""
    found = set()
    with duckdb.connect() as connection:
        for name, source in (("old", old), ("new", new)):
            connection.execute(f"create table {name} as select {', '.join(columns)} from {source}")
        both = "(from {0} except all from {1}) union all (from {1} except all from {0})"
        if not connection.execute(f"select 1 from ({both.format('old', 'new')}) limit 1").fetchall():
            return found
        for column in columns:
            projected = ", ".join(dict.fromkeys(["event_date", *key, column]))
            sides = [f"(select {projected} from {name})" for name in ("old", "new")]
            days = connection.execute(f"select distinct event_date from ({both.format(*sides)})").fetchall()
            found |= {(day, column) for (day,) in days}
    return found


class Laboratory:
    """A bench with an archive of its own, built, and what it takes to try a mutation on it."""

    def __init__(self, bench: Any, relations: list[str], keys: Mapping[str, list[str]], seed: int) -> None:
        self.bench, self.keys, self.rng = bench, keys, random.Random(seed)
        self.relations = {relation.partition(".")[2]: relation for relation in relations}
        shape = TrafficConfig(
            seed=seed, hits_per_day=self.rng.choice((20, 120, 400)), objects_per_hour=1, repeat_purchases=0.5, outages=0.0,
            client_retries=0.05, duplicate_deliveries=0.05, malformed_lines=0.01, rejected=0.02, queued=0.05,
        )  # fmt: skip
        for day in DAYS:
            if self.rng.random() < 0.85:
                write_day(bench.archive.root, day, shape)
        bench.build(DAYS[0], END)

    def shapes(self, edits: Any) -> dict[str, Any]:
        return {
            model: edits.Shape(self.keys[model], columns_of(published(self.bench, relation)))
            for model, relation in self.relations.items()
        }

    def mutate(self, edits: Any, recorded: Any, reference: date) -> tuple[list[str], set[Any], set[Any]]:
        """Edit some models at random and build them; what was done, the cells that are named, and those that differ."""
        days = [f"{reference + timedelta(days=n)}" for n in range(len(DAYS))]
        shapes = self.shapes(edits)
        chosen: dict[str, Any] = {}
        told = []
        for model in self.rng.sample(sorted(shapes), self.rng.choice((1, 1, 2, 4))):
            made = [edits.random_edit(self.rng, shapes[model], days) for _ in range(self.rng.choice((1, 1, 2)))]
            told += [f"{model}: {name}" for name, _ in made]
            chosen[model] = edits.chain([edit for _, edit in made])
        self.bench.recorded = edits.Edited(recorded, chosen)
        with self.bench.staged(DAYS[0], END) as proposal:
            made_of = versions(
                proposal.fingerprints(), dict.fromkeys(self.relations, "edited"), dict.fromkeys(DAYS, ""), 1
            )
            changes = compare(made_of, proposal.published(self.keys), Rules())
            named = {(c.cell.model, c.cell.day, name) for c in changes for name in c.columns}
            wanted = {
                (model, day, column)
                for model, relation in self.relations.items()
                for day, column in differing(
                    published(self.bench, relation),
                    staged(proposal.environment, relation),
                    self.keys[model],
                    list(shapes[model].types),
                )
            }
            if self.rng.random() < 0.3:
                # What comes next is compared with what is wrong, or was published twice.
                proposal.publish(everything(proposal.fingerprints(), proposal.published(self.keys), 1))
        return told, named, wanted


@pytest.mark.timeout(7200)
def test_a_comparison_names_exactly_the_cells_whose_rows_differ(
    make_bench: Any, recorded: Any, recorded_dbt: Any, edits: Any, model_relations: list[str], unique_keys: Any
) -> None:
    """Precision and recall 1, whatever was edited: also where two rows swap values, all get the same one, or are there twice."""
    tried: Counter[str] = Counter()
    cells = quiet = refused = 0
    laboratory = None
    seed = FIRST_SEED
    while tried.total() < MUTATIONS:
        if laboratory is None or not tried.total() % AN_ARCHIVE_FOR:
            laboratory = Laboratory(make_bench(), model_relations, unique_keys, seed)
        seed += 1
        laboratory.rng.seed(seed)
        try:
            told, named, wanted = laboratory.mutate(edits, recorded, recorded_dbt.REFERENCE)
        except duckdb.Error:
            # A change of a word by chance need not be SQL; dbt would say so.
            refused += 1
            assert refused < 20 + tried.total(), "hardly any mutation can be built"
            continue
        assert named == wanted, (seed, told, {"only named": named - wanted, "missed": wanted - named})
        tried[told[0].split(": ")[1].split()[0]] += 1
        cells, quiet = cells + len(wanted), quiet + (not wanted)
    assert cells, "these mutations prove too little"
    print(
        f"{tried.total()} mutations ({refused} were no SQL), {cells} cells named, {quiet} changed nothing: {dict(tried)}"
    )


def test_fingerprints_made_anew_are_those_that_dbt_made(
    bench: Any, model_relations: list[str], unique_keys: Any
) -> None:
    """What is made of published files, after a change of DuckDB, is what was made of the rows before they were written."""
    laboratory = Laboratory(bench, model_relations, unique_keys, 1)
    models = {cell.model for cell in bench.versions(DAYS[0], END)}
    assert models == {*laboratory.relations}
    for cell, version in bench.versions(DAYS[0], END).items():
        relation = laboratory.relations[cell.model]
        columns = list(version.fingerprint.columns)
        with duckdb.connect() as connection:
            made = fingerprints_of(connection, published(bench, relation), unique_keys[cell.model], columns).get(
                cell.day
            )
        assert (made is None) == (version.fingerprint.rows == 0), cell
        assert made is None or made == version.fingerprint, cell


ROWS = {
    "swapped": ([("a", 1), ("b", 2)], [("a", 2), ("b", 1)], True),
    "one value for another, everywhere": ([("a", 1), ("b", 1)], [("a", 2), ("b", 2)], True),
    "three times and once": ([("a", 1)] * 3 + [("b", 1)], [("a", 1)] + [("b", 1)] * 3, True),
    "twice, both": ([("a", 1)] * 2, [("b", 2)] * 2, True),
    "null for nought": ([("a", 0)], [("a", None)], True),
    "equal values of other keys": ([("a", 1), ("b", 1)], [("a", 1), ("c", 1)], True),
    "another order": ([("a", 1), ("b", 2), ("b", 2)], [("b", 2), ("a", 1), ("b", 2)], False),
}


@pytest.mark.parametrize("name", ROWS)
def test_fingerprints_are_of_multisets_of_key_and_value(name: str) -> None:
    """DuckDB's hash of two values is an XOR of theirs: without care, rows that swap values would go unseen."""
    before, after, is_other = ROWS[name]
    with duckdb.connect() as connection:
        made = []
        for rows in (before, after):
            connection.execute("create or replace table t (event_date date, k varchar, v integer)")
            connection.executemany("insert into t values ('2026-01-01', ?, ?)", rows)
            made.append(fingerprints_of(connection, "t", ["k"], ["k", "v"])[date(2026, 1, 1)])
    assert ("v" in made[1].differs_from(made[0])) is is_other
