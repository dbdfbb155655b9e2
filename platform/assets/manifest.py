"""dbt's manifest as the platform needs to know it: which models there are, what they are made from, and what looks at them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dagster import AssetCheckKey, AssetKey

from ingestion_platform.assets.translator import Translator
from ingestion_platform.changes import Expected, expected_changes
from ingestion_platform.resources.dbt_project import ModelsError

PARTITIONED_SCHEMAS = ("events", "stats")
LIVE_SCHEMA = "events_live"

# Views over the sources, built with whatever reads them: not assets of their own, but part of raw/logs in the graph.
STAGING_SCHEMA = "staging"


@dataclass(frozen=True)
class Models:
    """The models of a manifest, as far as the platform needs to know them.

    A node is known by its unique id. `staging` are the views over the sources, which every build writes before what reads them, and
    `shared` those of them that are tables of a run, worked out once for the models of it that read them (those that are ephemeral in
    dbt are part of what reads them).
    In `manifest` they count as ephemeral: dagster-dbt then passes them over, and the graph goes from raw/logs straight to the marts.
    """

    manifest: Mapping[str, Any] = field(repr=False)
    staging: tuple[str, ...]
    shared: frozenset[str] = frozenset()

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Models":
        """The models of dbt's manifest."""
        nodes: dict[str, Any] = dict(manifest["nodes"])
        staging = [
            node
            for node in nodes.values()
            if node["resource_type"] == "model"
            and node["schema"].lower() == STAGING_SCHEMA
            and node["config"]["materialized"] != "ephemeral"
        ]
        for node in staging:
            nodes[node["unique_id"]] = {**node, "config": {**node["config"], "materialized": "ephemeral"}}
        shared = frozenset(node["unique_id"] for node in staging if node["config"]["materialized"] == "table")
        return cls({**manifest, "nodes": nodes}, tuple(sorted(node["unique_id"] for node in staging)), shared)

    @cached_property
    def translator(self) -> Translator:
        return Translator(self.manifest)

    def in_schemas(self, *schemas: str) -> list[str]:
        """The models that live in `schemas`, sorted."""
        return sorted(node["unique_id"] for node in self._models() if node["schema"].lower() in schemas)

    @cached_property
    def partitioned(self) -> list[str]:
        """The models that are built by date."""
        return self.in_schemas(*PARTITIONED_SCHEMAS)

    @cached_property
    def live(self) -> list[str]:
        """The views over raw and marts, built once."""
        return self.in_schemas(LIVE_SCHEMA)

    def keys_of(self, unique_ids: Iterable[str]) -> list[AssetKey]:
        """The asset keys of models."""
        return [self.keys[unique_id] for unique_id in unique_ids]

    def names_of(self, unique_ids: Iterable[str]) -> list[str]:
        """Names of models, as the warehouse's ledger and relations have them."""
        return [self.manifest["nodes"][unique_id]["name"] for unique_id in unique_ids]

    def selectors(self, unique_ids: Iterable[str]) -> list[str]:
        """Arguments of dbt's --select that match exactly these nodes.

        A bare name also matches a folder: `events_live` is both, and so is `events`. The whole path of a node matches nothing else.
        """
        return [f"fqn:{'.'.join(self.manifest['nodes'][unique_id]['fqn'])}" for unique_id in unique_ids]

    def with_staging(self, select: Sequence[str]) -> list[str]:
        """`select` and what a build writes before it."""
        read = frozenset[str]().union(*(self._ancestors(node, through_assets=False) for node in select))
        return [*(node for node in self.staging if node not in self.shared or node in read), *select]

    def tests_of(self, models: Collection[str]) -> list[str]:
        """The tests of `models` that may run with them: all that they look at is among the models, or those are made from it.

        A test that also looks at a sibling would find a date there that is not built yet.
        """
        known = {*models, *(ancestor for unique_id in models for ancestor in self._ancestors(unique_id))}
        return sorted(
            node["unique_id"]
            for node in self.manifest["nodes"].values()
            if node["resource_type"] == "test"
            and known.issuperset(node["depends_on"]["nodes"])
            and not {*models}.isdisjoint(node["depends_on"]["nodes"])
        )

    def _ancestors(self, unique_id: str, *, through_assets: bool = True) -> frozenset[str]:
        """All that a node is made from; up to the assets that it reads, which are not built with it, unless `through_assets`."""
        nodes = self.manifest["nodes"].get(unique_id, {}).get("depends_on", {}).get("nodes", [])
        followed = (node for node in nodes if through_assets or node not in self.keys)
        return frozenset(nodes).union(*(self._ancestors(node, through_assets=through_assets) for node in followed))

    @cached_property
    def keys(self) -> Mapping[str, AssetKey]:
        """Asset key by the node's unique id."""
        return {node["unique_id"]: self.translator.get_asset_key(node) for node in self._models()}

    @cached_property
    def relations(self) -> Mapping[str, str]:
        """schema.name by the model's name."""
        return {node["name"]: f"{node['schema']}.{node['name']}".lower() for node in self._models()}

    @cached_property
    def unique_keys(self) -> Mapping[str, list[str]]:
        """The columns that tell a model's rows apart, by its name; views have none."""
        return {
            node["name"]: node["config"]["unique_key"] for node in self._models() if node["config"].get("unique_key")
        }

    def column_types(self, name: str) -> dict[str, str]:
        """The types, in small letters, of a model's columns, as its contract has them."""
        node = next(node for node in self._models() if node["name"] == name)
        return {column: f"{held.get('data_type') or ''}".lower() for column, held in node["columns"].items()}

    @cached_property
    def expected_changes(self) -> Mapping[str, tuple[Expected, ...]]:
        """What authors of models said that new code changes, by the model's name. Raises ModelsError."""
        expected = {}
        for node in self._models():
            try:
                expected[node["name"]] = expected_changes(node["config"].get("meta") or {})
            except ValueError as error:
                raise ModelsError(f"{node['original_file_path']}: {error}") from None
        return expected

    @cached_property
    def keys_by_name(self) -> Mapping[str, AssetKey]:
        """Asset key by the model's name."""
        return {self.manifest["nodes"][unique_id]["name"]: key for unique_id, key in self.keys.items()}

    def codes(self, names: Iterable[str]) -> dict[str, str]:
        """Code versions by the model's name."""
        return {name: self.code_versions[self.keys_by_name[name]] for name in names}

    @cached_property
    def code_versions(self) -> Mapping[AssetKey, str]:
        """Code version by asset key."""
        return {self.keys[node["unique_id"]]: str(self.translator.get_code_version(node)) for node in self._models()}

    def code_versions_of(self, unique_ids: Iterable[str]) -> dict[AssetKey, str]:
        """Code versions of some models, by asset key."""
        return {key: self.code_versions[key] for key in self.keys_of(unique_ids)}

    @cached_property
    def parents(self) -> Mapping[AssetKey, list[AssetKey]]:
        """The keys an asset is made from, by its own key."""
        specs = {
            key: self.translator.get_asset_spec(self.manifest, unique_id, None) for unique_id, key in self.keys.items()
        }
        return {key: [dep.asset_key for dep in spec.deps] for key, spec in specs.items()}

    def read_by(self, asset: AssetKey) -> list[AssetKey]:
        """The models that an exposure reads whose `meta.asset` names an asset of ours."""
        return [
            self.keys[unique_id]
            for exposure in self.manifest["exposures"].values()
            if exposure["config"]["meta"].get("asset") == asset.to_user_string()
            for unique_id in exposure["depends_on"]["nodes"]
        ]

    @cached_property
    def test_keys(self) -> Mapping[str, AssetCheckKey]:
        """Check key by the unique id of the dbt test."""
        specs = [self.translator.get_asset_spec(self.manifest, unique_id, None) for unique_id in self.keys]
        tests = [node["unique_id"] for node in self.manifest["nodes"].values() if node["resource_type"] == "test"]
        by_test = {}
        for spec in specs:
            for test in tests:
                check = self.translator.get_asset_check_spec(spec, self.manifest, test, None)
                if check is not None:
                    by_test[test] = check.key
        return by_test

    def _models(self) -> list[Mapping[str, Any]]:
        return [
            node
            for node in self.manifest["nodes"].values()
            if node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
        ]
