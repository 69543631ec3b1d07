"""A small pipeline on a table of many column types, for tests of the whole graph."""

from pathlib import Path
from typing import Any

import dagster as dg

from assets.resources import PlumblineResource
from pipelines.training_pipeline import pipeline_definitions
from plumbline.postgres import Postgres
from plumbline.spec import PipelineSpec

TABLE = """
CREATE TABLE public.visits AS
SELECT g::bigint                                              AS visit_id,
       'customer ' || g % 400                                 AS customer,
       timestamptz '2024-01-01 UTC' + g * interval '3 hours'  AS happened_at,
       (g * 7919 % 1000) / 100.0::float8                      AS amount,
       CASE WHEN g % 11 > 0 THEN (g * 104729 % 500)::int END  AS age,
       (g * 31 % 97)::numeric(10, 2)                          AS fee,
       (ARRAY['web', 'shop', NULL, 'phone'])[g % 4 + 1]       AS channel,
       g % 3 = 0                                              AS member,
       (ARRAY['train','train','train','val','test'])[g % 5 + 1] AS side,
       -- Depends on amount, channel and some noise, so that there is something to learn.
       (g * 7919 % 1000) / 100.0 + g % 4 + sin(g * 12.9898) * 2 > 7 AS bought
FROM generate_series(1, {rows}) AS g
"""
EXTRACT = """
-- grain: one row per visit; key: visit_id; label: bought
SELECT * FROM public.visits WHERE happened_at < :as_of
"""


def make_source(postgres: Postgres, root: Path, rows: int = 2000) -> None:
    """Fill public.visits and write sql/extracts/visits.sql below `root`."""
    with postgres.connect() as connection:
        connection.execute(TABLE.format(rows=rows))
    extract = root / "sql" / "extracts" / "visits.sql"
    extract.parent.mkdir(parents=True, exist_ok=True)
    extract.write_text(EXTRACT)


def small_spec(**options: Any) -> PipelineSpec:
    """The small pipeline; `options` replace whole blocks, `source` is merged."""
    source = {
        "sql": "sql/extracts/visits.sql",
        "parameters": {"as_of": "2100-01-01"},
        "key": ["visit_id"],
        "label": "bought",
        "timestamp": "happened_at",
        "drop": ["side", "customer"],
    }
    network = {
        "architecture": "dense",
        "widths": [8],
        "dropout": [0.0],
        "max_epochs": 2,
        "learning_rate": 0.01,
    }
    blocks = {
        "name": "visits",
        "training_features": {"table": "public.visits_as_trained"},
        "audit": {"accept": {"target_leakage.amount": "the label is made from it"}},
        "network": network,
        "evaluation": {"resamples": 100},
        "verdict": {"seeds": 1},
        **options,
    }
    return PipelineSpec.model_validate({**blocks, "source": source | options.get("source", {})})


def run(
    spec: PipelineSpec,
    root: Path,
    instance: dg.DagsterInstance,
    dataset_version: str = "v1",
    parameters: dict[str, str] | None = None,
    selection: list[str] | None = None,
    options: dict[str, Any] | None = None,
) -> dg.ExecuteInProcessResult:
    """Materialize the graph, or the stages in `selection`, in this process.

    options: those of the run, as in the launchpad.
    """
    definitions = dg.Definitions.merge(
        pipeline_definitions(spec, root),
        dg.Definitions(
            resources={"plumbline": PlumblineResource()}, executor=dg.in_process_executor
        ),
    )
    instance.add_dynamic_partitions(f"{spec.name}_dataset_versions", [dataset_version])
    wanted = [dg.AssetKey([spec.name, stage]) for stage in selection] if selection else None
    config = {f"{spec.name}__snapshot": {"config": {"parameters": parameters or {}}}}
    return definitions.resolve_job_def(spec.name).execute_in_process(
        instance=instance,
        partition_key=dataset_version,
        asset_selection=wanted,
        run_config={
            "ops": {} if wanted and wanted[0].path[-1] != "snapshot" else config,
            "resources": {"plumbline": {"config": {"run_options": options or {}}}},
        },
        raise_on_error=False,
    )
