"""What all assets of a pipeline share: keys, partitions, group, owners, versions, errors."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from assets import agreement
from assets.resources import PlumblineResource
from assets.workbench import Workbench
from plumbline.errors import PlumblineError
from plumbline.postgres import is_passing
from plumbline.spec import PipelineSpec
from plumbline.stages import stage_code_version

log = logging.getLogger(__name__)

Compute = Callable[[Workbench], dg.MaterializeResult]

RETRIES = dg.RetryPolicy(
    max_retries=4, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
"""When a lost connection is tried again: after about 5, 15, 35 and 75 seconds. Asked for by
`readable_failures`, for Dagster's own `retry_policy` would repeat every other error, too."""

POOLS: Mapping[str, tuple[str, ...]] = {
    "gpu": ("xgboost", "optimism", "network_search", "network", "network_seeds"),
    "postgres": ("snapshot", "training_features", "guard_drill"),
}
"""Stages by what they are heavy on; an instance limits how many of a pool run at once."""


def partitions(spec: PipelineSpec) -> dg.DynamicPartitionsDefinition:
    """One partition per dataset version of a pipeline."""
    return dg.DynamicPartitionsDefinition(name=f"{spec.name}_dataset_versions")


def key(spec: PipelineSpec, stage: str) -> dg.AssetKey:
    return dg.AssetKey([spec.name, stage])


def stage_asset(
    spec: PipelineSpec,
    root: Path,
    stage: str,
    compute: Compute,
    *,
    after: Sequence[str],
    kinds: set[str],
    description: str,
    checks: Mapping[str, str] = {},
    blocking: bool = True,
) -> dg.AssetsDefinition:
    """The asset of one stage. `checks` gives a description per check."""

    def run(
        context: dg.AssetExecutionContext, plumbline: PlumblineResource
    ) -> dg.MaterializeResult:
        with readable_failures(context):
            bench = plumbline.open(spec, root, context.partition_key)
            made = compute(bench)
            agreed = agreement.check(context, bench, stage, after)
            return made._replace(check_results=[*(made.check_results or ()), agreed])

    return asset_of(
        spec,
        root,
        stage,
        deps=[key(spec, upstream) for upstream in after],
        code_version=stage_code_version(spec, stage),
        kinds=kinds,
        description=description,
        checks=[
            dg.AssetCheckSpec(name, asset=key(spec, stage), description=text, blocking=blocking)
            for name, text in checks.items()
        ]
        + [agreement.spec_of(key(spec, stage))],
    )(run)


def asset_of(
    spec: PipelineSpec,
    root: Path,
    stage: str,
    *,
    deps: Sequence[dg.AssetKey],
    code_version: str,
    kinds: set[str],
    description: str,
    checks: Sequence[dg.AssetCheckSpec] = (),
) -> Callable[[Callable[..., dg.MaterializeResult]], dg.AssetsDefinition]:
    """`dg.asset` with what all assets of a pipeline have in common."""
    return dg.asset(
        key=key(spec, stage),
        deps=deps,
        partitions_def=partitions(spec),
        group_name=spec.name,
        owners=spec.owners,
        tags={"pipeline": spec.name},
        code_version=code_version,
        kinds=kinds,
        pool=next((pool for pool, members in POOLS.items() if stage in members), None),
        description=description,
        check_specs=checks,
        metadata={"dagster/code_references": sql_files(spec, root, stage)},
    )


def sql_files(spec: PipelineSpec, root: Path, stage: str) -> dg.CodeReferencesMetadataValue:
    """Links to the SQL that an asset goes back to; Dagster adds the one to `defs.yaml`."""
    audited = spec.audit.sql if stage == "audit" else []
    with warnings.catch_warnings():
        # Dagster calls its own links to code beta; we pin its version.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=str((root / file).resolve()), label=file)
                for file in (spec.source.sql, *audited)
            ]
        )


@contextmanager
def readable_failures(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Turn our own errors into failures that say what was found, expected and to be done.

    A connection that is refused or lost is tried again, by `RETRIES`; nothing else is.
    """
    try:
        with _told():
            yield
    except Exception as error:
        if not is_passing(error):
            raise
        delay = RETRIES.calculate_delay(context.retry_number + 1)
        if context.retry_number < RETRIES.max_retries:
            told = str(error).partition("\n")[0]
            log.warning("%s; trying again in %.0f s", told, delay)
        raise dg.RetryRequested(max_retries=RETRIES.max_retries, seconds_to_wait=delay) from error


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PlumblineError as error:
        told = {"found": error.found, "expected": error.expected, "remedy": error.remedy}
        raise dg.Failure(
            description=str(error),
            metadata={"error": type(error).__name__, **{k: v for k, v in told.items() if v}},
            allow_retries=False,
        ) from error
