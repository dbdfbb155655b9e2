"""Types that public functions of Dagster's return and that `dagster` does not export. Can go when it does."""

from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

__all__ = ["UnresolvedAssetJobDefinition"]
