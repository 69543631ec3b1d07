"""How old what users rely on may become, as Dagster's freshness policy."""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from plumbline.spec import FreshnessSpec, PipelineSpec

RELIED_ON = ("release", "predictions")


def kept_fresh(
    spec: PipelineSpec, assets: Sequence[dg.AssetsDefinition]
) -> list[dg.AssetsDefinition]:
    """The same assets; where freshness is declared, with its policy on the release and after."""
    if spec.freshness is None:
        return list(assets)
    policy = _policy(spec.freshness)
    return [
        one.map_asset_specs(lambda asset: asset.replace_attributes(freshness_policy=policy))
        if one.key.path[-1] in RELIED_ON
        else one
        for one in assets
    ]


def _policy(declared: FreshnessSpec) -> dg.FreshnessPolicy:
    within = dt.timedelta(hours=declared.within_hours)
    if declared.deadline:
        return dg.FreshnessPolicy.cron(declared.deadline, within, declared.timezone)
    warn = declared.warn_hours
    return dg.FreshnessPolicy.time_window(within, dt.timedelta(hours=warn) if warn else None)
