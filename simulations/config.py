"""What a day of simulated traffic is made of: volume, seed and the rate of each fault.

A `TrafficConfig` and a date determine the archive objects of that date to the last byte. Rates are shares in 0..1 of
what the comment names. A rate of 0 switches a fault off (`TrafficConfig.without_faults`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from typing import Any

from simulations.protocols import Shares, checked

# Everything the history writer delivers lies in objects of this stream, whatever the hit inside looks like.
STREAM = "simulation"
# Hits of past dates carry these tracking ids, pumped hits the others: a checker can tell them apart.
HISTORY_TRACKING_PREFIX = "UA-SIM-"
LIVE_TRACKING_PREFIX = "UA-LIVE-"
# The host name of records that no server has received.
HOSTNAME = "collect.example"

# A generation's events fall on these dates beside its own: a skewed clock reaches into the evening before, a session
# over midnight (and what is retried after it) into the two dates that follow.
DATES_BEFORE = 1
DATES_AFTER = 2


@dataclass(frozen=True)
class TrafficConfig:
    """Volume, seed and fault rates. Raises ValueError for a value out of range."""

    seed: int = 2021
    hits_per_day: int = 20_000
    objects_per_hour: int = 4

    bots: float = 0.03  # of sessions
    marathon_bots: float = (
        0.15  # of dates: a monitor that never pauses for 30 minutes, from one evening over two nights
    )
    campaigns: float = 0.15  # of sessions

    duplicate_deliveries: float = 0.003  # of hits: the same record again in another object
    client_retries: float = 0.004  # of hits: the same `z` under a new event id within 24 h
    queued: float = 0.01  # of hits: sent up to 4 h after they happened, with `qt`
    skewed_queue_times: float = 0.001  # of hits: `qt` negative, over 4 h, decimal or no number
    late_objects: float = 0.03  # of objects: arrive up to a day after they were received
    outages: float = 0.1  # of dates: one hour's objects arrive two to four days later
    malformed_lines: float = 0.0005  # of hits, in addition
    rejected: float = 0.001  # of hits, in addition
    repeat_purchases: float = 0.08  # of purchases: the thank-you page is loaded again
    purchases_without_id: float = 0.04  # of purchases
    session_controls: float = 0.004  # of sessions: an explicit `sc=start` or `sc=end`

    protocols: Shares = ()  # of visits, by protocol; none: all by Measurement Protocol v1

    def __post_init__(self) -> None:
        if self.hits_per_day < 0:
            raise ValueError(f"hits_per_day is {self.hits_per_day}: it has to be 0 or more")
        if not 1 <= self.objects_per_hour <= 60:
            raise ValueError(f"objects_per_hour is {self.objects_per_hour}: it has to be 1 to 60")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}: it has to be 0 or more")
        for name in RATES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: a rate has to be 0 to 1")
        try:
            object.__setattr__(self, "protocols", checked(dict(self.protocols)))
        except ValueError as error:
            raise ValueError(f"protocols {error}") from None

    def without_faults(self) -> TrafficConfig:
        """The same traffic from clients, network and collector that make no mistake."""
        switched_off: dict[str, Any] = dict.fromkeys(FAULTS, 0.0)
        return replace(self, **switched_off)

    def as_dict(self) -> dict[str, Any]:
        """Names to values, as the truth file records them. Dates of before there were protocols are those of v1 alone."""
        values = asdict(self)
        del values["protocols"]
        return values | ({"protocols": dict(self.protocols)} if self.protocols else {})


RATES = tuple(field.name for field in fields(TrafficConfig) if field.type == "float")
FAULTS = tuple(name for name in RATES if name not in ("bots", "campaigns"))


def epoch_ms(day: date) -> int:
    """The first millisecond (UTC) of `day`, since 1970."""
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_MS


DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
