"""The account of a pumper: what became of the hits that it sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rich.table import Table


@dataclass
class Account:
    """What became of the hits. `reasons` counts why some were refused or failed."""

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
