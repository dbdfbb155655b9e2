"""The Coveo data set (SIGIR eCom 2021), read from its own files as they were downloaded.

`browsing_train.csv` has a row an event, `sku_to_content.csv` a row a product. The first (6 GB) is streamed in blocks of
rows: a block's rows are put together by session and sorted by time, since the file is not strictly in order; a session
that reaches over the edge of a block comes out in two parts. Of the products only category and price bucket are kept. The
data set's third file, `search_train.csv`, is read where it is there (coveo_searches.py).

The licence of the data set is for research and forbids passing it on: no row of it is in this repository.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from collector.errors import ExpectedError

BROWSING, CATALOG = "browsing_train.csv", "sku_to_content.csv"
_BROWSING_COLUMNS = (
    "session_id_hash", "event_type", "product_action", "product_sku_hash", "server_timestamp_epoch_ms", "hashed_url",
)  # fmt: skip
_CATALOG_COLUMNS = ("product_sku_hash", "category_hash", "price_bucket")
BLOCK_ROWS = 50_000


class CoveoError(ExpectedError):
    """The files cannot be used; the message is one line that says which, and what to do."""


class BrowsingEvent(NamedTuple):
    """A row of `browsing_train.csv`: `action` and `sku` are empty for a page without a product; `at` is epoch ms."""

    session: str
    is_pageview: bool
    action: str
    sku: str
    at: int
    url: str


class Article(NamedTuple):
    """What is known of a product: its category (hashes with slashes) and price bucket (1 to 10), where there is one."""

    category: str
    price_bucket: int | None


def require(folder: Path) -> None:
    """The data set has to be in `folder`. Raises CoveoError that says what is missing."""
    if not folder.is_dir():
        raise CoveoError(f"DATA_FOLDER is {folder}, which is no folder: fix it, or unset it for generated traffic")
    missing = [name for name in (BROWSING, CATALOG) if not (folder / name).is_file()]
    if missing:
        raise CoveoError(
            f"DATA_FOLDER is {folder}, which has no {' and no '.join(missing)}: put the Coveo data set's files there, "
            "or unset it for generated traffic"
        )


def sessions(folder: Path, block_rows: int = BLOCK_ROWS) -> Iterator[list[BrowsingEvent]]:
    """The events of each session, in order of time. Raises CoveoError for a missing column or an unreadable row."""
    rows = _rows(folder / BROWSING, _BROWSING_COLUMNS)
    while block := list(islice(rows, block_rows)):
        by_session: dict[str, list[BrowsingEvent]] = {}
        for line, (session, kind, action, sku, at, url) in block:
            event = BrowsingEvent(session, kind == "pageview", action, sku, at_of(at, folder / BROWSING, line), url)
            by_session.setdefault(session, []).append(event)
        for events in by_session.values():
            events.sort(key=lambda event: event.at)
            yield events


def catalog(folder: Path) -> dict[str, Article]:
    """Every product's article by its SKU. Raises CoveoError for a missing column or an unreadable row."""
    articles = {}
    for line, (sku, category, bucket) in _rows(folder / CATALOG, _CATALOG_COLUMNS):
        try:
            articles[sku] = Article(category, round(float(bucket)) if bucket else None)
        except (ValueError, OverflowError):
            raise CoveoError(f"{folder / CATALOG}, line {line}: price_bucket is {bucket!r}, not a number") from None
    return articles


def at_of(text: str, path: Path, line: int) -> int:
    """A row's time, epoch ms. Raises CoveoError."""
    if not (text.isascii() and text.isdigit()):
        raise CoveoError(f"{path}, line {line}: server_timestamp_epoch_ms is {text!r}, not a number")
    return int(text)


def places_of(header: list[str], columns: tuple[str, ...], path: Path) -> list[int]:
    """Where these columns stand. Raises CoveoError for one that is missing."""
    missing = [name for name in columns if name not in header]
    if missing:
        raise CoveoError(f"{path} has no column {', '.join(missing)}: is it the data set's own file?")
    return [header.index(name) for name in columns]


def row_of(row: list[str], places: list[int], path: Path, line: int) -> list[str]:
    """A row's values at these places. Raises CoveoError for a row that ends before them."""
    try:
        return [row[place] for place in places]
    except IndexError:
        raise CoveoError(f"{path}, line {line}: the row is too short") from None


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """The line number and the values of `columns` of each row, wherever the columns stand."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            places = places_of(next(reader, []), columns, path)
            for row in reader:
                yield reader.line_num, row_of(row, places, path, reader.line_num)
    except (csv.Error, UnicodeDecodeError) as error:
        raise CoveoError(f"{path} cannot be read as CSV: {error}") from None
