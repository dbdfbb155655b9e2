"""The searches of the Coveo data set: `search_train.csv`, a row a search, found by session.

The file (2 GB, most of it vectors) is in another order than the browsing rows. So it is read once to note where each row stands, 16
bytes a row; a session's rows are read there when its turn has come. Each row is given once, with the session's first part
or, where no browsing row has the session, at the end.

A query is known by its vector alone: searches with the same vector have the same word, eight letters of a hash.
"""

from __future__ import annotations

import csv
import hashlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simulations.coveo import CoveoError, at_of, places_of, row_of

NAME = "search_train.csv"
_COLUMNS = ("session_id_hash", "query_vector", "clicked_skus_hash", "product_skus_hash", "server_timestamp_epoch_ms")


class Search(NamedTuple):
    """A row: the query's word, empty where there is no vector; the products of its answer in order, and those clicked; `at` is epoch ms."""

    session: str
    query: str
    clicked: tuple[str, ...]
    results: tuple[str, ...]
    at: int


class Searches:
    """The rows of `search_train.csv` in `folder`, none where it has no such file. Raises CoveoError for a missing column or an
    unreadable row."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        keys, starts = array("Q"), array("Q")
        self._places: list[int] = []
        if self._path.is_file():
            for start, row in self._indexed():
                keys.append(_key(row[self._places[0]]))
                starts.append(start)
        order = np.argsort(np.frombuffer(keys, np.uint64), kind="stable")
        self._keys = np.frombuffer(keys, np.uint64)[order]
        self._starts = np.frombuffer(starts, np.uint64)[order]
        self._given = np.zeros(len(order), bool)

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, session: str) -> list[Search]:
        """The session's searches that were not given before, in the file's order."""
        key = np.uint64(_key(session))
        low, high = np.searchsorted(self._keys, key), np.searchsorted(self._keys, key, side="right")
        found = []
        for place in range(int(low), int(high)):
            if not self._given[place] and (search := self._read(place)).session == session:
                self._given[place] = True
                found.append(search)
        return found

    def rest(self) -> Iterator[list[Search]]:
        """The sessions that nobody asked for, each with its searches."""
        for place in np.argsort(self._starts):
            if not self._given[place]:
                yield self.of(self._read(int(place)).session)

    def _indexed(self) -> Iterator[tuple[int, list[str]]]:
        """Where each row begins, and its values. Every row's width and time are checked here, where its line is known."""
        start, at = 0, 0

        def lines() -> Iterator[str]:
            nonlocal at
            for line in file:
                at += len(line)
                yield line.decode()

        try:
            with self._path.open("rb") as file:
                reader = csv.reader(lines())
                self._places = places_of(next(reader, []), _COLUMNS, self._path)
                start = at
                for row in reader:
                    values = row_of(row, self._places, self._path, reader.line_num)
                    at_of(values[-1], self._path, reader.line_num)
                    yield start, row
                    start = at
        except (csv.Error, UnicodeDecodeError) as error:
            raise CoveoError(f"{self._path} cannot be read as CSV: {error}") from None

    def _read(self, place: int) -> Search:
        with self._path.open("rb") as file:
            file.seek(int(self._starts[place]))
            row = next(csv.reader(line.decode() for line in file))
        session, vector, clicked, results, at = (row[column] for column in self._places)
        query = hashlib.blake2b(vector.encode(), digest_size=4).hexdigest() if vector else ""
        return Search(session, query, _skus(clicked), _skus(results), int(at))


def _skus(text: str) -> tuple[str, ...]:
    """The hashes of a list as Python writes it, `['a', 'b']`; none of an empty value."""
    return tuple(name for item in text.strip("[] ").split(",") if (name := item.strip(" '\"")))


def _key(session: str) -> int:
    return int.from_bytes(hashlib.blake2b(session.encode(), digest_size=8).digest(), "big")
