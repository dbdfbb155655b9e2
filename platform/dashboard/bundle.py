"""Vega, Vega-Lite and what draws them in a page, as one script: vl-convert has them inside and makes the script without a network.

Making it takes a second of processor time, and the script is the same as long as the packages are: `prepare` keeps it beside dbt's
manifest, and who finds none there makes it for itself.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from pathlib import Path

from collector.durable import staged
from ingestion_platform.resources.dbt_project import MANIFEST


@cache
def bundle() -> str:
    """The script. It defines vegaEmbed."""
    try:
        return _kept().read_text(encoding="utf-8")
    except OSError:
        return _made()


def keep_bundle() -> Path:
    """Make the script where it is missing; returns where it is kept."""
    path = _kept()
    if not path.exists():
        with staged(path) as file:
            file.write(_made().encode())
            file.appear()
    return path


def _kept() -> Path:
    return MANIFEST.with_name(f"vega-{version('vl-convert-python')}-{_vega_lite()}.js")


def _made() -> str:
    import vl_convert

    # Its types demand a snippet of code, without which all of it is bundled.
    made: str = vl_convert.javascript_bundle(vl_version=_vega_lite())  # type: ignore[call-arg]
    # Stands in an element that the first of these would end, whose digest a page's reading of line ends would change.
    return re.sub(r"</(?=script)", r"<\\/", made, flags=re.IGNORECASE).replace("\r\n", "\n").replace("\r", "\n")


def _vega_lite() -> str:
    """The Vega-Lite that Altair writes."""
    import altair

    return ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
