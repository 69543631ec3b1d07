"""Which stages Dagster calls stale when code or options have changed: that one, all behind it."""

from collections.abc import Callable, Sequence
from functools import cache

import dagster as dg

from plumbline.versions import fingerprint


def standing_on(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The same assets, each with a code version that covers those of the assets before it.

    Dagster hands no stale mark down: a changed option of the gate would mark the gate alone,
    until it is made anew.
    """
    version = _covering({one.key: one.get_asset_spec() for one in assets})
    return [
        one.map_asset_specs(lambda asset: asset.replace_attributes(code_version=version(asset.key)))
        for one in assets
    ]


def _covering(specs: dict[dg.AssetKey, dg.AssetSpec]) -> Callable[[dg.AssetKey], str]:
    @cache
    def version(key: dg.AssetKey) -> str:
        one = specs[key]
        before = [dep.asset_key for dep in one.deps if dep.asset_key in specs]
        return fingerprint(
            own=one.code_version,
            before={asset.to_user_string(): version(asset) for asset in before},
        )

    return version
