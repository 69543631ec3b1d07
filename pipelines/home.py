"""Where the project lies, and what is kept below it unless the environment says where."""

import os
from pathlib import Path

from plumbline.environment import home

ROOT = Path(__file__).parents[1]


def default_home() -> None:
    """Default Plumbline's own files to the project's `.plumbline`; makes nothing."""
    os.environ.setdefault("PLUMBLINE_HOME", str(ROOT / ".plumbline"))


def prepare_home() -> None:
    """The same, with a home for Dagster in it that links to the project's settings."""
    default_home()
    dagster_home = Path(os.environ.setdefault("DAGSTER_HOME", str(home() / "dagster")))
    dagster_home.mkdir(parents=True, exist_ok=True)
    settings = dagster_home / "dagster.yaml"
    if not settings.exists():
        settings.unlink(missing_ok=True)  # a link whose target moved
        settings.symlink_to(ROOT / "dagster.yaml")
