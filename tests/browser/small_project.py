"""A copy of the project that declares one small pipeline, fast enough to watch."""

import shutil
from pathlib import Path

import yaml
from small_pipeline import make_source, small_spec

from plumbline.postgres import Postgres

PROJECT = Path(__file__).parents[2]
PARTS = (
    *("plumbline", "assets", "pipelines", "sql"),
    *("pyproject.toml", "workspace.yaml", "dagster.yaml"),
)
NAME = "purchases"
TABLE = "visits"
CRON = "0 3 * * *"


def small_project(root: Path, postgres: Postgres) -> Path:
    """Copy the project to `root`, without its own pipelines; declare and fill NAME."""
    root.mkdir()
    for part in PARTS:
        source = PROJECT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, root / part)
    defs = root / "pipelines" / "defs"
    for own in defs.glob("*/defs.yaml"):
        shutil.rmtree(own.parent)
    make_source(postgres, root, rows=800)
    spec = small_spec(
        name=NAME,
        owners=["team:shop"],
        schedule={"cron": CRON, "parameters": {"as_of": "{date}"}},
    )
    declared = {
        "type": "pipelines.TrainingPipeline",
        "attributes": spec.model_dump(mode="json", exclude_unset=True),
    }
    (defs / NAME).mkdir()
    (defs / NAME / "defs.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    return root
