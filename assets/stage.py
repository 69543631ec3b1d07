"""What all assets of a pipeline share: keys, partitions, group, owners, versions, errors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from assets.resources import PlumblineResource
from assets.workbench import Workbench
from plumbline.errors import PlumblineError
from plumbline.spec import PipelineSpec
from plumbline.stages import stage_code_version

Compute = Callable[[Workbench], dg.MaterializeResult]


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
        with readable_failures():
            return compute(plumbline.open(spec, root, context.partition_key))

    return asset_of(
        spec,
        stage,
        deps=[key(spec, upstream) for upstream in after],
        code_version=stage_code_version(spec, stage),
        kinds=kinds,
        description=description,
        checks=checks,
        blocking=blocking,
    )(run)


def asset_of(
    spec: PipelineSpec,
    stage: str,
    *,
    deps: Sequence[dg.AssetKey],
    code_version: str,
    kinds: set[str],
    description: str,
    checks: Mapping[str, str],
    blocking: bool = True,
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
        description=description,
        check_specs=[
            dg.AssetCheckSpec(name, asset=key(spec, stage), description=text, blocking=blocking)
            for name, text in checks.items()
        ],
    )


@contextmanager
def readable_failures() -> Iterator[None]:
    """Turn our own errors into failures that say what was found, expected and to be done."""
    try:
        yield
    except PlumblineError as error:
        told = {"found": error.found, "expected": error.expected, "remedy": error.remedy}
        raise dg.Failure(
            description=str(error),
            metadata={"error": type(error).__name__, **{k: v for k, v in told.items() if v}},
            allow_retries=False,
        ) from error
