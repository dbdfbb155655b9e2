"""How dbt's nodes become assets: keys, groups, owners, checks, and the code versions that decide what an edit makes stale.

A model's code version covers its compiled SQL, without comments and layout, and that of all the models it is
made from, however far up, and the parser of user agents where it reads those: changing one makes the dates of that model, and of all
that is below it, show as stale at once, and nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dagster import AssetCheckSpec, AssetKey, AssetSpec
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings

from ingestion_platform.assets.keys import OWNERS, RAW_LOGS, USER_AGENTS
from ingestion_platform.assets.node_texts import check_description, check_names, description
from ingestion_platform.code_versions import normalized
from ingestion_platform.user_agents import PARSER_VERSION
from ingestion_platform.versions import digest


class Translator(DagsterDbtTranslator):
    """How dbt's nodes become assets: keys are <schema>/<model>, groups are schemas."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))
        self._manifest = manifest
        self._codes: dict[str, frozenset[str]] = {}
        self._check_names = check_names(manifest)

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            # All raw tables are filled by one asset.
            raw = dbt_resource_props["source_name"] == "raw"
            return RAW_LOGS if raw else AssetKey([dbt_resource_props["source_name"], dbt_resource_props["name"]])
        return AssetKey([dbt_resource_props["schema"].lower(), dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return str(dbt_resource_props["schema"]).lower()

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str]:
        return OWNERS

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return description(dbt_resource_props)

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """The relation's name as one queries it: compiling for a laptop knows of no database but one in memory."""
        name = f"{dbt_resource_props['schema']}.{dbt_resource_props['name']}".lower()
        in_memory = dbt_resource_props.get("database") == "memory"
        return {
            **super().get_metadata(dbt_resource_props),
            **({"dagster/table_name": name} if in_memory else {}),
        }

    def get_asset_check_spec(
        self, asset_spec: AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: Any
    ) -> AssetCheckSpec | None:
        """A short name, and in the description what dbt's long one says."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        told = spec.description or check_description(manifest["nodes"][unique_id])
        return spec._replace(name=self._check_names[unique_id], description=told)

    def get_code_version(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return digest(*sorted(self._code(dbt_resource_props)))[:16]

    def _code(self, node: Mapping[str, Any]) -> frozenset[str]:
        known = self._codes.get(node["unique_id"])
        if known is not None:
            return known
        # Sources have none.
        texts = {normalized(node.get("compiled_code") or "")}
        for unique_id in node.get("depends_on", {}).get("nodes", []):
            if unique_id in self._manifest["nodes"]:
                texts |= self._code(self._manifest["nodes"][unique_id])
            elif unique_id.endswith(f".{USER_AGENTS.path[-1]}"):
                texts.add(PARSER_VERSION)
        self._codes[node["unique_id"]] = frozenset(texts)
        return self._codes[node["unique_id"]]
