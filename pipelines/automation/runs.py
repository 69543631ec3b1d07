"""The run that freezes a version: its name claimed, its configuration filled in."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.stage import partitions
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec, Scalar


def snapshot_config(spec: PipelineSpec, parameters: dict[str, str]) -> dict:
    """Run configuration that hands `parameters` to the extract's SQL."""
    return {"ops": {f"{spec.name}__snapshot": {"config": {"parameters": parameters}}}}


def freezing(
    spec: PipelineSpec,
    *,
    version: str,
    owner: str,
    at: dt.datetime,
    parameters: Mapping[str, Scalar],
    instance: dg.DagsterInstance,
    server: Postgres,
) -> dg.RunRequest | dg.SkipReason:
    """The run of a new version, or why there is none: somebody else has the name.

    owner: the tick that asks. Asked again, after a crash say, it gets the same run: Dagster
    launches none twice for one run key.
    """
    claimed = _claimed(spec, version, owner, instance, Registry.open(server))
    if claimed is None:
        return dg.SkipReason(f"the dataset version {version} is there already")
    given = {name: str(value).format(date=f"{at:%Y-%m-%d}") for name, value in parameters.items()}
    return dg.RunRequest(
        run_key=claimed,
        partition_key=claimed,
        run_config=snapshot_config(spec, given),
    )


def _claimed(
    spec: PipelineSpec,
    version: str,
    owner: str,
    instance: dg.DagsterInstance,
    registry: Registry,
) -> str | None:
    """The version that `owner` may run, for ever the same one; None if another has it."""
    note, claims = f"plumbline/{owner}", instance.daemon_cursor_storage
    # The lock is PostgreSQL's: ticks of schedules and sensors run in threads and processes.
    with registry.exclusive(f"automation/{spec.name}"):
        mine: dict[str, Any] = dict(claims.get_cursor_values({note}))
        if note not in mine:
            if instance.has_dynamic_partition(partitions(spec).name or "", version):
                return None
            claims.set_cursor_values({note: version})
        claimed = mine.get(note, version)
        instance.add_dynamic_partitions(partitions(spec).name or "", [claimed])
    return claimed
