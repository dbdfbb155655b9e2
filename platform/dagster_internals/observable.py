"""An observable source asset with what its decorator has no arguments for: what it comes from, and who looks after it.

Dagster makes an AssetsDefinition of a source asset by itself when the code location loads; here the same is done earlier, since only that
has specs that can be added to. To go when `observable_source_asset` takes `deps` and `owners`.
"""

from __future__ import annotations

from collections.abc import Sequence

from dagster import AssetKey, AssetsDefinition, SourceAsset
from dagster._core.definitions.external_asset import create_external_asset_from_source_asset


def observable(source: SourceAsset, *, deps: Sequence[AssetKey], owners: Sequence[str]) -> AssetsDefinition:
    """`source` as an asset that is observed, made from `deps`."""
    made = create_external_asset_from_source_asset(source)
    return made.map_asset_specs(lambda spec: spec.replace_attributes(deps=deps, owners=owners))
