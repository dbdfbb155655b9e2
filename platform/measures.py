"""What the parts of a run took, as its tags keep it for the plans of later ones (plan.py)."""

from __future__ import annotations

import json
from typing import NamedTuple

LOAD_TAG = "clickstream/measured_load"
BUILD_TAG = "clickstream/measured_build"
"""Tags of a run: what its load and its build took, for the plans of later ones (`Measure` as JSON)."""


class Measure(NamedTuple):
    """What a part of a run took: `size` in compressed bytes (a load) or hits (a build), seconds in all, and those whatever the size."""

    size: int
    seconds: float
    fixed: float = 0.0

    def tag(self) -> str:
        return json.dumps(self._asdict())
