"""What all pages of the same code share: Vega as one script, and the charts as Vega-Lite has them.

vl-convert has Vega inside and makes the script without a network, Altair makes the charts. That takes two seconds of processor time, which
a run of few hits would feel, and comes out the same as long as code and packages are: `prepare` keeps it beside dbt's manifest, and who
finds none there makes it for itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from collector.durable import staged
from ingestion_platform.dashboard.charts import CHARTS
from ingestion_platform.dashboard.drawing import specification
from ingestion_platform.resources.dbt_project import MANIFEST

_MADE_BY = ("charts.py", "drawing.py", "shared.py")


class Shared(NamedTuple):
    """`script` defines vegaEmbed; `specifications` are those of the charts by name."""

    script: str
    specifications: dict[str, dict[str, Any]]


@cache
def shared() -> Shared:
    """What pages of today's code share."""
    try:
        return Shared(**json.loads(_kept().read_bytes()))
    except OSError:
        return _made()


def keep_shared() -> Path:
    """Make it where it is missing, in place of what older code has left; returns where it is kept."""
    path = _kept()
    if not path.exists():
        for older in path.parent.glob("dashboard-*.json"):
            older.unlink(missing_ok=True)
        with staged(path) as file:
            file.write(json.dumps(_made()._asdict()).encode())
            file.appear()
    return path


def _kept() -> Path:
    digest = hashlib.sha256(f"{version('altair')} {version('vl-convert-python')}".encode())
    for name in _MADE_BY:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return MANIFEST.with_name(f"dashboard-{digest.hexdigest()[:16]}.json")


def _made() -> Shared:
    # Imported on use: who finds it made needs neither.
    import altair
    import vl_convert

    vega_lite = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    # Its types demand a snippet of code, without which all of it is bundled.
    script: str = vl_convert.javascript_bundle(vl_version=vega_lite)  # type: ignore[call-arg]
    # Stands in an element that the first of these would end, whose digest a page's reading of line ends would change.
    script = re.sub(r"</(?=script)", r"<\\/", script, flags=re.IGNORECASE).replace("\r\n", "\n").replace("\r", "\n")
    return Shared(script, {chart.name: specification(chart) for chart in CHARTS})
