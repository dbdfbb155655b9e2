"""The pumper: sends hits over HTTP, many at a time, and accounts for each one.

A hit ends in one of three ways: accepted (2xx), refused (4xx: sending it again would not help) or failed (no answer to
be had). Timeouts, broken connections, 429 and 5xx are tried again with growing pauses under the same `z`, so that the
platform can tell a retry whose first copy had arrived; the queue time is told anew, so that the event keeps its time.

A URL that ends in /batch gets as many hits a request as a collector takes by default, each with its own browser in `ua`. Every
hit still has its own fate: of a batch that was taken in part, only the rest is sent again. Hits of other protocols than v1 go one
by one to their own paths of the same collector (`sending`).
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from urllib.parse import urlsplit

import uvloop

from collector.errors import ExpectedError
from simulations.account import Account
from simulations.connection import Answer, Connection, Target
from simulations.sending import Pumped, batches, request_of, timed
from simulations.sources import LiveVisit

MAX_ATTEMPTS = 7
TIMEOUT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_PROGRESS_S = 0.1

# Said of an address, whatever the hit: a redirect, a path or method that is not there, a door that is locked.
_NO_COLLECTOR = frozenset({*range(300, 400), 401, 403, 404, 405, 410, 501})


class PumpError(ExpectedError):
    """Nothing can be sent; the message is one line that says what to do."""


def pump(
    visits: Iterable[LiveVisit],
    url: str,
    limit: int,
    *,
    rate: float | None = None,
    concurrency: int = 64,
    attempts: int = MAX_ATTEMPTS,
    timeout: float = TIMEOUT_S,
    on_progress: Callable[[int], object] = lambda done: None,
) -> Account:
    """Send the visits' hits to `url` until `limit`, over `concurrency` connections, at most `rate` a second.

    `on_progress` is called now and then with the number of hits that are through. When as many hits in a row fail as
    there are connections, or an answer says that no collector is at `url`, the rest is not sent. Raises PumpError where
    nobody listens at `url`, or no collector does, to begin with.
    """
    split = urlsplit(url)
    hits = islice(timed(visits), limit)
    requests = batches(hits) if split.path.endswith("/batch") else ([hit] for hit in hits)
    run = _Pump(Target(split), requests, rate, attempts, timeout, concurrency)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run.all(concurrency, on_progress))
    except KeyboardInterrupt:
        run.account.reasons["interrupted"] = run.account.failed
        run.account.gave_up = True
    if run.no_collector and not run.account.accepted:
        raise PumpError(
            f"{url} answers {run.no_collector}: no collector takes hits there. Fix COLLECT_URL, which ends in /collect"
        )
    return run.account


class _Pump:
    """One run: connections that take requests (lists of hits) from a common source."""

    def __init__(
        self,
        target: Target,
        requests: Iterator[list[Pumped]],
        rate: float | None,
        attempts: int,
        timeout: float,
        patience: int,
    ) -> None:
        self.account = Account()
        self.no_collector = 0
        self._target, self._requests, self._rate = target, requests, rate
        self._attempts, self._timeout, self._patience = attempts, timeout, patience
        self._failures_in_a_row = 0
        self._started = 0.0

    async def all(self, concurrency: int, on_progress: Callable[[int], object]) -> None:
        try:
            first = await self._target.connect(self._timeout)
        except OSError as error:
            raise PumpError(
                f"nobody answers at {self._target.host}:{self._target.port} ({error.strerror or 'no answer'}): "
                "start the collector with `make collect` in another terminal, or fix COLLECT_URL"
            ) from None
        self._started = time.monotonic()
        watch = asyncio.create_task(self._watch(on_progress))
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(concurrency):
                    group.create_task(self._connection(first if number == 0 else None))
        finally:
            watch.cancel()
            self.account.seconds = time.monotonic() - self._started
            on_progress(self.account.accepted + self.account.refused)

    async def _watch(self, on_progress: Callable[[int], object]) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            on_progress(self.account.accepted + self.account.refused)

    async def _connection(self, connection: Connection | None) -> None:
        account = self.account
        for hits in self._requests:
            if self.no_collector or self._failures_in_a_row >= self._patience:
                account.gave_up = True
                break
            account.sent += len(hits)
            if self._rate is not None:
                await asyncio.sleep(self._started + account.sent / self._rate - time.monotonic())
            connection = await self._deliver(hits, connection)
        if connection is not None:
            connection.close()

    async def _deliver(self, hits: list[Pumped], connection: Connection | None) -> Connection | None:
        """Send hits until their fate is known; gives the connection to go on with, if there is one."""
        pause, reasons = _FIRST_PAUSE_S, [""]
        for attempt in range(self._attempts):
            if attempt:
                self.account.retries += len(hits)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            try:
                if connection is None or not connection.is_open:
                    connection = await self._target.connect(self._timeout)
                answer = await connection.send(request_of(hits, self._target), self._timeout)
            except OSError as error:
                reasons = [f"no answer ({error.strerror or error})"] * len(hits)
                connection = None
                continue
            hits, reasons = self._settle(hits, answer)
            if not hits:
                return connection
            pause = min(max(pause, answer.retry_after or 0), _LONGEST_PAUSE_S)
        self.account.reasons.update(reasons)
        self._failures_in_a_row += len(hits)
        return connection

    def _settle(self, hits: list[Pumped], answer: Answer) -> tuple[list[Pumped], list[str]]:
        """Account for the hits whose fate an answer tells; gives those that are to be sent again, and why, each."""
        account = self.account
        if answer.status < 300 and len(hits) == 1:
            account.accepted += 1
            self._failures_in_a_row = 0
            return [], []
        again: list[Pumped] = []
        reasons: list[str] = []
        for hit, (status, reason) in zip(hits, _fates(answer, len(hits)), strict=True):
            if status < 300:
                account.accepted += 1
            elif status in _NO_COLLECTOR or (status < 500 and status != 429):
                account.refused += 1
                account.reasons[reason] += 1
                if status in _NO_COLLECTOR:
                    self.no_collector = status
            else:
                again.append(hit)
                reasons.append(reason)
        if len(again) < len(hits):
            self._failures_in_a_row = 0
        return again, reasons


def _fates(answer: Answer, count: int) -> list[tuple[int, str]]:
    """The status of each of `count` hits, and what was said of it; an answer that does not tell them apart is all of theirs."""
    if count > 1:
        try:
            lines = json.loads(answer.body)["hits"]
            fates = [(int(line["status"]), f"{line['status']} {line.get('error', '')}".strip()) for line in lines]
        except (ValueError, TypeError, KeyError):
            fates = []
        if len(fates) == count:
            return fates
    return [(answer.status, f"{answer.status} {answer.body[:200].decode('utf-8', 'replace')}".strip())] * count
