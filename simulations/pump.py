"""The pumper: sends hits over HTTP, many at a time, and accounts for each one.

A hit ends in one of three ways: accepted (2xx), refused (4xx: sending it again would not help) or failed (no answer to
be had). Timeouts, broken connections, 429 and 5xx are tried again with growing pauses under the same `z`, so that the
platform can tell a retry whose first copy had arrived; the queue time is told anew, so that the event keeps its time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import urlsplit

import uvloop
from rich.table import Table

from simulations.connection import Answer, Connection, Target
from simulations.sources import LiveHit, LiveVisit

MAX_ATTEMPTS = 7
TIMEOUT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_PROGRESS_S = 0.1

# Said of an address, whatever the hit: a redirect, a path or method that is not there, a door that is locked.
_NO_COLLECTOR = frozenset({*range(300, 400), 401, 403, 404, 405, 410, 501})


class PumpError(Exception):
    """Nothing can be sent; the message is one line that says what to do."""


@dataclass
class Account:
    """What became of the hits. `reasons` counts why some were refused or failed; `hits_left` is false where the source
    ended before the wanted number was reached."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    retries: int = 0
    seconds: float = 0.0
    gave_up: bool = False
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """Hits that were sent and never got an answer."""
        return self.sent - self.accepted - self.refused

    def exit_code(self, expect_refused: int = 0) -> int:
        """0 when nothing was lost: no failure, and just as many refusals as expected."""
        return int(self.failed > 0 or self.refused != expect_refused or self.gave_up)


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
    run = _Pump(Target(urlsplit(url)), islice(_timed(visits), limit), rate, attempts, timeout, concurrency)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run.all(concurrency, on_progress))
    except KeyboardInterrupt:
        run.account.reasons["interrupted"] = run.account.failed
        run.account.gave_up = True
    if run.no_collector and not run.account.accepted:
        raise PumpError(
            f"{url} answers {run.no_collector}: no collector takes hits there. Mend COLLECT_URL, which ends in /collect"
        )
    return run.account


def _timed(visits: Iterable[LiveVisit]) -> Iterator[tuple[LiveHit, float]]:
    """Each hit with the moment (monotonic clock) at which it happened: a visit's last hit happens as it is sent."""
    for visit in visits:
        now = time.monotonic()
        for hit in visit:
            yield hit, now - hit.age_ms / 1000


class _Pump:
    """One run: connections that take hits from a common source."""

    def __init__(
        self,
        target: Target,
        hits: Iterator[tuple[LiveHit, float]],
        rate: float | None,
        attempts: int,
        timeout: float,
        patience: int,
    ) -> None:
        self.account = Account()
        self.no_collector = 0
        self._target, self._hits, self._rate = target, hits, rate
        self._attempts, self._timeout, self._patience = attempts, timeout, patience
        self._failures_in_a_row = 0
        self._started = 0.0

    async def all(self, concurrency: int, on_progress: Callable[[int], object]) -> None:
        try:
            first = await self._target.connect(self._timeout)
        except OSError as error:
            raise PumpError(
                f"nobody answers at {self._target.host}:{self._target.port} ({error.strerror or 'no answer'}): "
                "start the collector with `make collect` in another terminal, or mend COLLECT_URL"
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
        for hit, happened in self._hits:
            if self.no_collector or self._failures_in_a_row >= self._patience:
                account.gave_up = True
                break
            account.sent += 1
            if self._rate is not None:
                await asyncio.sleep(self._started + account.sent / self._rate - time.monotonic())
            connection = await self._deliver(hit, happened, connection)
        if connection is not None:
            connection.close()

    async def _deliver(self, hit: LiveHit, happened: float, connection: Connection | None) -> Connection | None:
        """Send a hit until its fate is known; gives the connection to go on with, if there is one."""
        pause, reason = _FIRST_PAUSE_S, ""
        for attempt in range(self._attempts):
            if attempt:
                self.account.retries += 1
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            try:
                if connection is None or not connection.is_open:
                    connection = await self._target.connect(self._timeout)
                queued = max(0, round((time.monotonic() - happened) * 1000))
                request = self._target.request(hit.user_agent, f'{hit.body[:-1]},"qt":"{queued}"}}')
                answer = await connection.send(request, self._timeout)
            except OSError as error:
                reason = f"no answer ({error.strerror or error})"
                connection = None
                continue
            if answer.status < 300:
                self.account.accepted += 1
                self._failures_in_a_row = 0
                return connection
            reason = _reason(answer)
            if answer.status in _NO_COLLECTOR:
                self.no_collector = answer.status
            if answer.status in _NO_COLLECTOR or (answer.status < 500 and answer.status != 429):
                self.account.refused += 1
                self.account.reasons[reason] += 1
                self._failures_in_a_row = 0
                return connection
            pause = min(max(pause, answer.retry_after or 0), _LONGEST_PAUSE_S)
        self.account.reasons[reason] += 1
        self._failures_in_a_row += 1
        return connection


def _reason(answer: Answer) -> str:
    return f"{answer.status} {answer.body[:200].decode('utf-8', 'replace')}".strip()


def report(account: Account, url: str, name: str) -> Table:
    """The account as a table."""
    rate = account.sent / account.seconds if account.seconds else 0.0
    table = Table(title=f"{name} to {url}", title_justify="left")
    for column in ("sent", "accepted", "refused", "failed", "retries", "seconds", "hits/s"):
        table.add_column(column, justify="right")
    counts = (account.sent, account.accepted, account.refused, account.failed, account.retries)
    table.add_row(*(f"{count:,}" for count in counts), f"{account.seconds:.1f}", f"{rate:,.0f}")
    notes = [f"{count:,} x {reason}" for reason, count in account.reasons.most_common(5)]
    if account.gave_up:
        notes.append("gave up: the rest was not sent")
    if notes:
        table.caption = "\n".join(notes)
    return table
