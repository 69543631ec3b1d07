"""`dg scaffold defs pipelines.TrainingPipeline <name>`: both files of a new pipeline."""

from pathlib import Path

import dagster as dg
from dagster.components.scaffold.scaffold import ScaffoldRequest

DEFS = """\
type: {type_name}

attributes:
  name: {name}
  description: What is predicted, for whom and why.

  source:
    sql: sql/extracts/{name}.sql
    key: [id]            # identifies a row; proved unique
    label: label         # boolean or 0/1; else declare positive_label

  split:
    policy: hash         # or stratified, temporal (val_from, test_from), column
"""

EXTRACT = """\
-- What one row is, for whom, and why.
--
-- grain:     one row per ...
-- key:       id
-- label:     what is predicted
-- cutoff:    what is known when the prediction is needed; nothing later
-- row order: by key (added by Plumbline)

SELECT
    t.id,
    t.label,
    t.some_feature
FROM public.some_table AS t
"""


class PipelineScaffolder(dg.Scaffolder):
    def scaffold(self, request: ScaffoldRequest) -> None:
        """Write defs.yaml and, where there is none yet, the extract's SQL file."""
        name = request.target_path.name
        request.target_path.mkdir(parents=True, exist_ok=True)
        defs = DEFS.format(type_name=request.type_name, name=name)
        (request.target_path / "defs.yaml").write_text(defs, "utf-8")
        extract = (request.project_root or Path.cwd()) / "sql" / "extracts" / f"{name}.sql"
        extract.parent.mkdir(parents=True, exist_ok=True)
        if not extract.exists():
            extract.write_text(EXTRACT, "utf-8")
