"""The Coveo data set's format, with data made here: the real one may not be passed on."""

from __future__ import annotations

import csv
import json
import tracemalloc
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from collector.contract import invalid_parameters, require_hit
from simulations import coveo
from simulations.coveo import CoveoError
from simulations.coveo_hits import SHOWN
from simulations.coveo_searches import Searches
from simulations.sources import MAX_SPAN_MS, coveo_visits, source

COLUMNS = [
    "session_id_hash",
    "event_type",
    "product_action",
    "product_sku_hash",
    "server_timestamp_epoch_ms",
    "hashed_url",
]
CATALOG_COLUMNS = ["product_sku_hash", "description_vector", "category_hash", "image_vector", "price_bucket"]
START = 1_550_885_210_881
VECTOR = "[" + ", ".join(["0.1234"] * 50) + "]"

Row = tuple[str, str, str, str, int, str]


def write(folder: Path, rows: Iterable[Row], articles: Iterable[tuple[str, str, str]] = ()) -> Path:
    """Both files in `folder`: browsing rows and (sku, category, price bucket)."""
    folder.mkdir(exist_ok=True)
    with (folder / "browsing_train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    with (folder / "sku_to_content.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CATALOG_COLUMNS)
        writer.writerows([sku, VECTOR, category, "", bucket] for sku, category, bucket in articles)
    return folder


def hashed(word: str) -> str:
    """Looks like the data set's hashes."""
    return (word.encode().hex() * 64)[:64]


SHOPPING: list[Row] = [
    (hashed("s1"), "event_product", "add", hashed("boot"), START + 90_000, hashed("u2")),
    (hashed("s1"), "pageview", "", "", START, hashed("u1")),
    (hashed("s2"), "pageview", "", "", START + 5_000, hashed("u1")),
    (hashed("s1"), "event_product", "detail", hashed("boot"), START + 60_000, hashed("u2")),
    (hashed("s1"), "event_product", "purchase", hashed("boot"), START + 120_000, hashed("u3")),
    (hashed("s1"), "event_product", "purchase", hashed("tent"), START + 120_000, hashed("u3")),
    (hashed("s1"), "event_product", "purchase", hashed("boot"), START + 500_000, hashed("u4")),
    (hashed("s1"), "event_product", "remove", hashed("lamp"), START + 600_000, hashed("u4")),
]
ARTICLES = [
    (hashed("boot"), f"{hashed('shoes')}/{hashed('boots')}", "8.0"),
    (hashed("tent"), "", "1"),
    (hashed("pan"), "", ""),
]


def test_a_session_is_put_together_and_sorted(tmp_path: Path) -> None:
    """The file is not strictly in order of time, and sessions are interleaved."""
    found = {events[0].session: events for events in coveo.sessions(write(tmp_path, SHOPPING))}
    assert found.keys() == {hashed("s1"), hashed("s2")}
    times = [event.at for event in found[hashed("s1")]]
    assert times == sorted(times) and len(times) == 7


def test_events_become_hits_of_the_protocol(tmp_path: Path) -> None:
    """Actions, products and prices keep their meaning; the lines of one purchase are one transaction."""
    visits = {len(visit): visit for visit in coveo_visits(write(tmp_path, SHOPPING, ARTICLES), run=3)}
    hits = [json.loads(hit.body) for hit in visits[6]]
    for hit in hits:
        require_hit(hit)
        assert not invalid_parameters(hit)
    assert [hit.get("pa") for hit in hits] == [None, "detail", "add", "purchase", "purchase", "remove"]
    assert [hit["t"] for hit in hits] == ["pageview"] + ["event"] * 5
    first, second = hits[3], hits[4]
    assert (first["pr1id"], first["pr2id"], second["pr1id"]) == (hashed("boot"), hashed("tent"), hashed("boot"))
    assert first["ti"] != second["ti"]
    assert float(first["tr"]) == pytest.approx(float(first["pr1pr"]) + float(first["pr2pr"]))
    assert first["pr1ca"] == ARTICLES[0][1] and "pr2ca" not in first
    assert first["pr1pr"] == hits[1]["pr1pr"] == hits[2]["pr1pr"] == second["tr"]
    assert "pr1pr" not in hits[5], "a product outside the catalogue has no price"
    assert [hit.age_ms for hit in visits[6]] == [600_000, 540_000, 510_000, 480_000, 100_000, 0]
    assert len({hit["cid"] for hit in hits}) == 1 and len({hit["z"] for hit in hits}) == 6


def test_a_run_has_ids_of_its_own_and_the_same_features(tmp_path: Path) -> None:
    """The seed's pumper chose browsers and tenants with `hash()`, differently at every run."""
    folder = write(tmp_path, SHOPPING, ARTICLES)
    ids = ("cid", "z", "ti")

    def run(number: int) -> tuple[list[tuple[str, dict[str, str]]], set[str]]:
        hits = [(hit.user_agent, json.loads(hit.body)) for visit in coveo_visits(folder, number) for hit in visit]
        own = {hit.pop(name) for _, hit in hits for name in ids if name in hit}
        return hits, own

    (first, first_ids), (second, second_ids) = run(1), run(2)
    assert first == second and not first_ids & second_ids


def test_a_session_of_a_day_is_squeezed(tmp_path: Path) -> None:
    """Queue times over four hours would be clamped, and the order of the hits lost."""
    rows: list[Row] = [(hashed("s"), "pageview", "", "", START + n * 3_600_000, hashed("u")) for n in range(25)]
    (visit,) = coveo_visits(write(tmp_path, rows), run=1)
    assert visit[0].age_ms == MAX_SPAN_MS and visit[-1].age_ms == 0
    assert all(before.age_ms > after.age_ms for before, after in pairwise(visit))


def test_reading_needs_the_memory_of_a_block(tmp_path: Path) -> None:
    """The real file has 36 million rows and 6 GB."""
    rows = ((hashed(f"{n // 7}"), "pageview", "", "", START + n, hashed("u")) for n in range(60_000))
    folder = write(tmp_path, rows)
    tracemalloc.start()
    events = sum(len(events) for events in coveo.sessions(folder, block_rows=2_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert events == 60_000
    assert peak < 4_000_000 < (folder / "browsing_train.csv").stat().st_size


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "sku_to_content.csv").unlink(), "no sku_to_content.csv"),
        (lambda folder: (folder / "browsing_train.csv").unlink(), "no browsing_train.csv"),
        (lambda folder: (folder / "browsing_train.csv").write_text("session_id_hash,event_type\n"), "product_action"),
        (
            lambda folder: (folder / "sku_to_content.csv").write_text(""),
            "product_sku_hash, category_hash, price_bucket",
        ),
        (lambda folder: (folder / "browsing_train.csv").write_text(",".join(COLUMNS) + "\na,pageview\n"), "line 2"),
        (lambda folder: (folder / "browsing_train.csv").write_text(",".join(COLUMNS) + "\na,b,,,soon,u\n"), "'soon'"),
        (lambda folder: (folder / "browsing_train.csv").write_bytes(b"\xff\xfe\n"), "cannot be read as CSV"),
    ],
)
def test_unusable_files_are_one_line(tmp_path: Path, break_it: object, message: str) -> None:
    """A half-finished download must not end in a stack trace, or in generated traffic that looks like the data set."""
    folder = write(tmp_path / "coveo", SHOPPING, ARTICLES)
    assert callable(break_it)
    break_it(folder)
    with pytest.raises(CoveoError) as error:
        list(source(folder, 10)[1])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_folder_without_the_data_set_is_a_mistake(tmp_path: Path) -> None:
    """A wrong path sent generated traffic, which looks like the data set's until somebody reads the pages' names."""
    assert source(None, 10)[0] == "generated traffic"
    assert source(write(tmp_path / "coveo", SHOPPING), 10)[0] == "the Coveo data set"
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CoveoError) as error:
            source(folder, 10)
        assert f"DATA_FOLDER is {folder}, which" in str(error.value)
    with pytest.raises(CoveoError, match=r"has no browsing_train\.csv and no sku_to_content\.csv"):
        source(tmp_path, 10)


SearchRow = tuple[str, str, str, str, int]
SEARCH_COLUMNS = [
    "session_id_hash", "query_vector", "clicked_skus_hash", "product_skus_hash", "server_timestamp_epoch_ms",
]  # fmt: skip


def write_searches(folder: Path, rows: Iterable[SearchRow]) -> Path:
    with (folder / "search_train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([SEARCH_COLUMNS, *rows])
    return folder


def listed(*words: str) -> str:
    """A list of products as the data set writes it."""
    return str([hashed(word) for word in words])


def test_searches_become_hits_of_their_sessions(tmp_path: Path) -> None:
    """Each at its place among the session's pages, with what it found as a list and what was clicked as clicks from it. A session that
    has searches alone is sent, too; none is lost or sent twice, though the files are in different orders."""
    searches: list[SearchRow] = [
        (hashed("s9"), VECTOR, "", "", START),
        (hashed("s1"), VECTOR, "", "", START + 30_000),
        (hashed("s2"), VECTOR.replace("0.1", "0.2"), listed("tent", "far"), listed("boot", "tent"), START + 6_000),
        (hashed("s9"), "", "", listed("pan"), START + 9_000),
        (hashed("s1"), VECTOR, "", listed(*(f"p{n}" for n in range(SHOWN + 9))), START + 70_000),
    ]
    folder = write_searches(write(tmp_path, SHOPPING, ARTICLES), searches)
    name, visits = source(folder, 10)
    assert name == "the Coveo data set with its searches"
    by_session: dict[int, list[dict[str, str]]] = {}
    for visit in visits:
        hits = [json.loads(hit.body) for hit in visit]
        for hit in hits:
            require_hit(hit)
            assert not invalid_parameters(hit) and len(json.dumps(hit)) < 8_000
        by_session[len(hits)] = hits
    assert sorted(by_session) == [2, 4, 8], "s9, s2 and s1"

    categories = [hit.get("ec") for hit in by_session[8]]
    assert categories == [None, "search", "ecommerce", "search", "ecommerce", "ecommerce", "ecommerce", "ecommerce"]
    nothing, many = by_session[8][1], by_session[8][3]
    assert nothing["el"] == many["el"] == by_session[2][0]["el"], "the same vector is the same query"
    assert nothing["dl"].endswith(f"/search?q={nothing['el']}") and not any(name.startswith("il") for name in nothing)
    assert [many[f"il1pi{n}id"] for n in (1, SHOWN)] == [hashed("p0"), hashed(f"p{SHOWN - 1}")]
    assert f"il1pi{SHOWN + 1}id" not in many

    page, search, *clicks = by_session[4]
    assert page["t"] == "pageview" and search["t"] == "event" and search["el"] != nothing["el"]
    assert (search["il1nm"], search["il1pi2id"]) == ("Search results", hashed("tent"))
    assert [(hit["pa"], hit["pal"], hit["pr1id"], hit.get("pr1ps")) for hit in clicks] == [
        ("click", "Search results", hashed("tent"), "2"), ("click", "Search results", hashed("far"), None),
    ]  # fmt: skip
    assert "pr1pr" in clicks[0] and "el" not in by_session[2][1] and by_session[2][1]["dl"].endswith("/search")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("session_id_hash,query_vector\n", "no column clicked_skus_hash, product_skus_hash"),
        (",".join(SEARCH_COLUMNS) + "\na,,,,1\na,b\n", "line 3: the row is too short"),
        (",".join(SEARCH_COLUMNS) + "\na,,,,soon\n", "line 2: server_timestamp_epoch_ms is 'soon'"),
        (",".join(SEARCH_COLUMNS) + "\na,\udcff,,,1\n", "cannot be read as CSV"),
    ],
)
def test_unusable_searches_are_one_line(tmp_path: Path, content: str, message: str) -> None:
    """They are read before the first hit is sent, so that a run does not break in its middle."""
    write(tmp_path, SHOPPING)
    (tmp_path / "search_train.csv").write_text(content, errors="surrogateescape")
    with pytest.raises(CoveoError) as error:
        source(tmp_path, 10)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_searches_need_little_memory(tmp_path: Path) -> None:
    """The real file has 2 GB, most of it vectors."""
    rows = [(hashed(f"{n:05}"), VECTOR, "", listed("boot"), START + n) for n in range(4_000)]
    folder = write_searches(tmp_path, rows)
    tracemalloc.start()
    searches = Searches(folder)
    found = searches.of(rows[3_500][0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [search.at for search in found] == [START + 3_500] and not searches.of(rows[3_500][0])
    assert len(list(searches.rest())) == 3_999
    assert peak < 500_000 < (folder / "search_train.csv").stat().st_size
