"""What Dagster's daemon makes by itself: the rest of a version whose run was interrupted."""

from collections.abc import Sequence

import dagster as dg

from plumbline.spec import PipelineSpec

MADE_ON_REQUEST = ("snapshot", "guard_drill")
"""Nobody freezes a version, or holds a drill, by having added a name."""


def completed(
    spec: PipelineSpec, assets: Sequence[dg.AssetsDefinition]
) -> list[dg.AssetsDefinition]:
    """The same assets; where it is declared, with the condition that completes a version."""
    if not spec.complete_versions:
        return list(assets)
    return [
        one
        if one.key.path[-1] in MADE_ON_REQUEST
        else one.map_asset_specs(
            lambda asset: asset.replace_attributes(automation_condition=condition())
        )
        for one in assets
    ]


def condition() -> dg.AutomationCondition:
    """Missing since the version was added, with all before it made, and nobody at work on it.

    A stage is asked for once. What failed, and what a blocking check stands before, waits for
    people.
    """
    known = dg.AutomationCondition
    # Not Dagster's all_deps_blocking_checks_passed(): it would make one stage per tick, for no
    # check is requested by itself. Inside one run the run holds back what a check stands before.
    passed = known.all_checks_match(known.check_passed(), blocking_only=True)
    return (
        known.on_missing()
        & ~known.in_progress()
        & ~known.any_deps_in_progress()
        & ~known.execution_failed()
        & known.all_deps_match(passed | known.will_be_requested())
    ).with_label("completes_an_interrupted_version")
