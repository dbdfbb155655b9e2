"""The Lambda package: the folder `collector/` as it stands, under its own name, without caches.

Nothing is installed into it: the handler needs only the standard library and the runtime's boto3. The modules of the
local server ride along unused, which costs a few kilobytes and spares a list that would go stale. Only `collector/live`, which
shows hits to whoever may look, is not even there.
"""

from __future__ import annotations

from pathlib import Path

import pulumi

LEFT_OUT = frozenset({"__pycache__", "live"})
COLLECTOR = Path(__file__).resolve().parents[2] / "collector"


def package(folder: Path = COLLECTOR) -> pulumi.AssetArchive:
    """A zip of `folder`, each file at `<folder's name>/<path>`."""
    return pulumi.AssetArchive(
        {
            str(file.relative_to(folder.parent)): pulumi.FileAsset(str(file))
            for file in sorted(folder.rglob("*"))
            if file.is_file() and LEFT_OUT.isdisjoint(file.relative_to(folder).parts)
        }
    )
