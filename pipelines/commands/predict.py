"""`plumbline predict BUNDLE INPUT OUTPUT`: scores for many rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.bundle import public_key
from pipelines.commands.shared import BundlePath, pairs, told_plainly

if TYPE_CHECKING:
    from plumbline.release.opened import Bundle
    from plumbline.scoring.batch import Outcome
    from plumbline.scoring.blocks import Source
    from plumbline.scoring.work import Target


@click.command()
@click.argument("bundle", type=BundlePath())
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUTPUT")
@click.option("--key", multiple=True, help="Column of the rows' key, one by one; SQL needs it.")
@click.option("--param", "parameters", multiple=True, help="k=v for a :k in INPUT's SQL.")
@public_key
@click.option("--strict", is_flag=True, help="Refuse at the first row that cannot be scored.")
@click.option("--again", is_flag=True, help="Add a finished scoring's rows to a table once more.")
def predict(bundle: Path, source: Path, target: str, key: tuple[str, ...], **options: Any) -> None:
    """Score the raw rows of INPUT with BUNDLE into OUTPUT.

    INPUT is a Parquet or CSV file, a folder of Parquet files, or a query in a .sql file. OUTPUT
    is a Parquet or CSV file, or a table of PostgreSQL (schema.table). After a failure, the same
    command goes on where it stopped. docs/scoring.md has the rest.
    """
    from pipelines.screen import show_progress
    from plumbline.release.bundle import load_bundle
    from plumbline.scoring.batch import Scoring

    show_progress()
    with told_plainly():
        goal = _target(bundle, source, target, again=options["again"])
        loaded = load_bundle(bundle, public_key=options["public_key"])
        rows = _source(source, loaded, key, pairs(options["parameters"]))
        scoring = Scoring(bundle=loaded, source=rows, key=key, strict=options["strict"])
        _tell(scoring.into(goal))


def _source(path: Path, bundle: "Bundle", key: tuple[str, ...], values: dict[str, str]) -> "Source":
    from plumbline.postgres import postgres
    from plumbline.release.raw import parsed_schema
    from plumbline.scoring import file_sources
    from plumbline.scoring.query_source import SUFFIX, QuerySource

    inputs = bundle.manifest.inputs
    if path.suffix.lower() == SUFFIX:
        return QuerySource.opened(path, values, key, inputs, postgres())
    if values:
        raise click.UsageError(f"--param is for SQL, and {path} does not end by {SUFFIX}")
    return file_sources.opened(path, parsed_schema(inputs, bundle.schema))


def _target(bundle: Path, source: Path, named: str, *, again: bool) -> "Target":
    from plumbline.postgres import postgres
    from plumbline.scoring.file_target import FileTarget
    from plumbline.scoring.files import require_separate
    from plumbline.scoring.table_files import FORMATS, format_of
    from plumbline.scoring.table_target import TableTarget

    path = Path(named)
    if len(path.parts) == 1 and named.count(".") == 1 and path.suffix.lower() not in FORMATS:
        return TableTarget(postgres=postgres(), where=named, again=again)
    if again:
        raise click.UsageError(f"--again is for tables; {named} is written anew in any case")
    format_of(path)
    require_separate(bundle, source, path)
    return FileTarget(path=path)


def _tell(outcome: "Outcome") -> None:
    scored = f"{outcome.scored:,} scored into {outcome.where}"
    if outcome.rejected:
        scored += f", {outcome.rejected:,} rejected into {outcome.rejects}"
    if outcome.reused:
        click.echo(f"these rows are scored already, and nothing was done: {scored}")
        return
    before = f", {outcome.resumed:,} of them before" if outcome.resumed else ""
    click.echo(f"{outcome.read:,} rows read{before}: {scored}")
