"""What the README tells people to type exists, and what it says is so."""

import re
from pathlib import Path

import pytest
import yaml

from pipelines.cli import main
from plumbline.spec import PipelineSpec

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text("utf-8")
SOURCES = "\n".join(
    path.read_text("utf-8")
    for package in ("plumbline", "assets", "pipelines")
    for path in (PROJECT / package).rglob("*.py")
)


def _found(pattern: str) -> set[str]:
    return set(re.findall(pattern, README))


def test_its_pipeline_is_valid():
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    declared = yaml.safe_load(block)
    assert declared["type"] == "pipelines.TrainingPipeline"
    assert PipelineSpec.model_validate(declared["attributes"]).name == "churn"


@pytest.mark.parametrize("command", sorted(_found(r"\.venv/bin/plumbline (\w+)")))
def test_its_commands_exist(command):
    assert command in main.commands


@pytest.mark.parametrize("target", sorted(_found(r"`?make (\w+)`?")))
def test_its_make_targets_exist(target):
    assert re.search(rf"^{target}:", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    "variable", sorted(_found(r"(?m)^\| `([A-Z_]+)`") | _found(r"`(PLUMBLINE_\w+)`"))
)
def test_its_settings_are_read(variable):
    assert f'"{variable}"' in SOURCES


@pytest.mark.parametrize(
    "path",
    sorted(
        _found(r"\]\((docs/[^)]+)\)") | _found(r"`((?:docs|sql|pipelines|plumbline)/[\w./]*\w)`")
    ),
)
def test_its_files_exist(path):
    if "churn" not in path:
        assert (PROJECT / path).exists()


def test_it_counts_the_registrys_tables():
    migrations = sorted((PROJECT / "sql" / "migrations").glob("*.sql"))
    schema = "\n".join(path.read_text("utf-8") for path in migrations)
    assert len(re.findall(r"^CREATE TABLE", schema, re.MULTILINE)) == 12
    assert "twelve append-only tables" in README
