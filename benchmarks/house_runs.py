"""Runs in which no stage has anything to do, for house.py."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from small_pipeline import make_source, small_spec

from assets.resources import PlumblineResource
from pipelines.training_pipeline import pipeline_definitions
from plumbline.postgres import Postgres, embedded

VERSION = "v1"


def _pipeline(processes: int) -> dg.JobDefinition:
    root = Path(os.environ["HOUSE_ROOT"])
    definitions = dg.Definitions.merge(
        pipeline_definitions(small_spec(run={"processes": processes}), root),
        dg.Definitions(resources={"plumbline": PlumblineResource()}),
    )
    return definitions.resolve_job_def("visits")


def in_process() -> dg.JobDefinition:
    return _pipeline(1)


def two_processes() -> dg.JobDefinition:
    return _pipeline(2)


def bare() -> dg.JobDefinition:
    """As many assets, partitioned alike, that do nothing."""
    partitions = dg.DynamicPartitionsDefinition(name="visits_dataset_versions")

    def nothing() -> dg.MaterializeResult:
        return dg.MaterializeResult()

    stages = [key.path[-1] for key in in_process().asset_layer.selected_asset_keys]
    assets = [
        dg.asset(
            key=["bare", stage],
            partitions_def=partitions,
            deps=[dg.AssetKey(["bare", stages[number - 1]])] if number else [],
        )(nothing)
        for number, stage in enumerate(stages)
    ]
    job = dg.define_asset_job("bare", executor_def=dg.in_process_executor)
    return dg.Definitions(assets=assets, jobs=[job]).resolve_job_def("bare")


JOBS: dict[str, Callable[[], dg.JobDefinition]] = {
    "in the run's process": in_process,
    "in two processes, forked from a warm one": two_processes,
    "bare Dagster in one process, assets that do nothing": bare,
}


@contextmanager
def prepared(folder: Path) -> Iterator[tuple[dg.DagsterInstance, int]]:
    """An instance on SQLite where the small pipeline has run once; and how many stages it has."""
    os.environ["HOUSE_ROOT"] = str(folder / "small")
    os.environ["PLUMBLINE_STORE"] = str(folder / "store")
    os.environ["DATABASE_URL"] = embedded(folder / "postgres")
    make_source(Postgres(os.environ["DATABASE_URL"]), folder / "small")
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        (Path(__file__).parents[1] / "dagster.yaml").read_text("utf-8"), "utf-8"
    )
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.add_dynamic_partitions("visits_dataset_versions", [VERSION])
        run(in_process, instance)
        yield instance, len(in_process().asset_layer.selected_asset_keys)


def run(job: Callable[[], dg.JobDefinition], instance: dg.DagsterInstance) -> None:
    result = dg.execute_job(
        dg.reconstructable(job), instance=instance, tags={"dagster/partition": VERSION}
    )
    assert result.success
