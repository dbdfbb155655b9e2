"""Links on each asset's page to the code that makes it and to the page of docs/ that tells of it.

On the web where SOURCE_URL says where the repository's files are shown; else as files of this machine, which Dagster opens in an editor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dagster import (
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    CodeReferencesMetadataValue,
    LocalFileCodeReference,
    UrlCodeReference,
    map_asset_specs,
)

from ingestion_platform.assets.keys import ARCHIVE_EVENTS
from ingestion_platform.assets.manifest import Models
from ingestion_platform.settings import PROJECT_DIR

Asset = AssetsDefinition | AssetSpec

# Dagster's own key.
_LINKS = "dagster/code_references"
# By group.
_PAGES = {
    "simulations": "docs/simulation.md",
    "archive": "docs/collector.md",
    "raw": "docs/lake.md",
    "events": "docs/architecture.md",
    "events_live": "docs/architecture.md",
    "stats": "docs/checks.md",
    "exposures": "docs/dashboard.md",
}
_OTHER_PAGE = "docs/orchestration.md"
# The function of an observed asset is Dagster's own, around ours.
_OBSERVED = {ARCHIVE_EVENTS: ["platform/assets/archive_events.py"]}
# The rules of models; other macros are their tools.
_RULES = "macros/models/"


def linked(assets: Sequence[Asset], models: Models, source_url: str | None) -> list[Asset]:
    """`assets`, each with its links."""
    code: dict[AssetKey, Sequence[str]] = {
        **_OBSERVED,
        **dict(_code_of_models(models)),
        **dict(_code_in_python(assets)),
    }

    def with_links(spec: AssetSpec) -> AssetSpec:
        page = _PAGES.get(spec.group_name or "", _OTHER_PAGE)
        references = [_reference(path, source_url) for path in (*code.get(spec.key, ()), page)]
        return spec.merge_attributes(metadata={_LINKS: CodeReferencesMetadataValue(code_references=references)})

    return list(map_asset_specs(with_links, assets))


def _reference(path: str, source_url: str | None) -> LocalFileCodeReference | UrlCodeReference:
    if source_url:
        return UrlCodeReference(url=f"{source_url.rstrip('/')}/{path}", label=path)
    return LocalFileCodeReference(file_path=f"{PROJECT_DIR / path}", label=path)


def _code_of_models(models: Models) -> Iterator[tuple[AssetKey, Sequence[str]]]:
    """The model's file, what is said of it, and the macros that hold its rules."""
    for unique_id, key in models.keys.items():
        node = models.manifest["nodes"][unique_id]
        macros = {models.manifest["macros"][name]["original_file_path"] for name in node["depends_on"]["macros"]}
        rules = sorted(path for path in macros if path.startswith(_RULES))
        said = node["patch_path"].partition("://")[2]
        yield key, [f"dbt_models/{path}" for path in (node["original_file_path"], *rules, said)]
    for exposure in models.manifest["exposures"].values():
        yield AssetKey([exposure["name"]]), [f"dbt_models/{exposure['original_file_path']}"]


def _code_in_python(assets: Sequence[Asset]) -> Iterator[tuple[AssetKey, Sequence[str]]]:
    """The module of an asset's function. One function builds all models: for them it is the way to build, not what they are."""
    for asset in assets:
        if not isinstance(asset, AssetsDefinition) or len(asset.keys_by_output_name) != 1:
            continue
        function = getattr(asset.op.compute_fn, "decorated_fn", None)
        path = Path(function.__code__.co_filename) if function is not None else None
        if path is not None and path.is_relative_to(PROJECT_DIR / "platform"):
            yield asset.key, [f"{path.relative_to(PROJECT_DIR)}"]
