"""What the services take by default, as far as a setting can exceed it without anybody noticing at deployment.

Firehose, Direct PUT, a stream and region (its quotas page): 5 MiB and 2,000 requests a second in three regions, 1 MiB
and 1,000 in the others. AWS raises the two together, in proportion. What goes beyond is parked in the fallback queue,
so a door that lets in more than the stream takes works in every test and parks for hours on the first good day.
"""

from __future__ import annotations

# The mean record of a million simulated hits, before gzip (docs/production.md).
MEAN_HIT_BYTES = 1540
_LARGE_REGIONS = frozenset({"us-east-1", "us-west-2", "eu-west-1"})


def default_mebibytes(region: str) -> int:
    """MiB a second that a new account's stream takes."""
    return 5 if region in _LARGE_REGIONS else 1


def hits_per_second(region: str, mebibytes: int) -> int:
    """Requests of one mean hit each that a stream of that quota takes in a second."""
    requests = mebibytes * (400 if region in _LARGE_REGIONS else 1000)
    return min(requests, mebibytes * 2**20 // MEAN_HIT_BYTES)
