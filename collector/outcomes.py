"""Verdicts on hits, and the answers that they earn once their records are durable.

An answer of 200 can be had only for records that the stream has taken: `RequestOutcome.answer` asks for the positions of
those it has not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from collector.web import Response, json_response, no_content, pixel, unavailable

ACCEPTED = "accepted"


class Rejection(Exception):
    """Why a hit or a whole request is refused: the status it earns, a stable reason code, a sentence for the client."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail = status, reason, detail


class HitOutcome(NamedTuple):
    """What becomes of one hit: its record's line and id, the status it earns, and why (`accepted` or a reason code)."""

    record: bytes
    event_id: str
    status: int
    reason: str
    detail: str = ""


def error(status: int, reason: str, detail: str, cors: Mapping[str, str]) -> Response:
    """An answer that names what is wrong."""
    return json_response(status, {"error": reason, "detail": detail}, cors)


class Answers(NamedTuple):
    """How a path answers, each given the headers for other origins: `kept` when something is (and the event id of the
    first), `unwanted` when nothing may be and all is well, `refused` with status, reason and detail."""

    kept: Callable[[Mapping[str, str], str], Response] = pixel
    unwanted: Callable[[Mapping[str, str]], Response] = no_content
    refused: Callable[[int, str, str, Mapping[str, str]], Response] = error


class RequestOutcome:
    """The outcomes on a request's hits, and how to answer it. A request that carries no hits has its `response`."""

    __slots__ = ("_answers", "_cors", "_is_batch", "_response", "outcomes")

    def __init__(
        self,
        outcomes: list[HitOutcome],
        cors: dict[str, str],
        *,
        is_batch: bool = False,
        answers: Answers = Answers(),  # noqa: B008
        response: Response | None = None,
    ) -> None:
        self.outcomes = outcomes
        self._cors = cors
        self._is_batch = is_batch
        self._answers = answers
        self._response = response

    @property
    def records(self) -> list[bytes]:
        """The lines that have to be durable before anybody is answered."""
        return [outcome.record for outcome in self.outcomes]

    def counts(self) -> Counter[str]:
        """How many hits were `accepted`, or refused by reason."""
        return Counter(outcome.reason for outcome in self.outcomes)

    def answer(self, undelivered: Collection[int] = ()) -> Response:
        """The answer, given the positions of the records that the stream did not take."""
        if self._response is not None:
            return self._response
        if self._is_batch:
            return self._answer_batch(undelivered)
        if undelivered:
            return unavailable(self._cors)
        outcome = self.outcomes[0]
        if outcome.status != 200 and len(self.outcomes) > 1:
            # To send all of it again for one that was refused would count its neighbours twice.
            outcome = min(self.outcomes, key=lambda one: one.status)
        if outcome.status == 200:
            return self._answers.kept(self._cors, outcome.event_id)
        if outcome.status == 204:
            return self._answers.unwanted(self._cors)
        return self._answers.refused(outcome.status, outcome.reason, outcome.detail, self._cors)

    def _answer_batch(self, undelivered: Collection[int]) -> Response:
        """Each line by its number. 503 when any line is to be sent again, 400 when none was taken, else 200."""
        lines: list[dict[str, Any]] = []
        accepted = 0
        for position, outcome in enumerate(self.outcomes):
            if position in undelivered:
                lines.append({"line": position + 1, "status": 503, "error": "stream_unavailable"})
            elif outcome.status == 200:
                accepted += 1
                lines.append({"line": position + 1, "status": 200, "event_id": outcome.event_id})
            else:
                why = {"error": outcome.reason, "detail": outcome.detail}
                lines.append({"line": position + 1, "status": outcome.status, **why})
        content = {"accepted": accepted, "refused": len(lines) - accepted - len(undelivered), "hits": lines}
        if undelivered:
            return unavailable(self._cors, content)
        return json_response(200 if accepted else 400, content, self._cors)
