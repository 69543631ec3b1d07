"""`plumbline trace NAME --key k=v`: everything a row took part in, and its erasure."""

import json
from pathlib import Path

import click

from pipelines.commands.shared import pairs, told_plainly


@click.command()
@click.argument("name")
@click.option("--key", "key", multiple=True, help="k=v for a column of the key; all are needed.")
@click.option(
    "--keys",
    "file",
    type=click.Path(path_type=Path),
    help="CSV file with a column per column of the key, and a row per key.",
)
@click.option("--erasure", "erase", is_flag=True, help="What must be done if these rows go.")
@click.option("--json", "as_json", is_flag=True, help="Everything that was found, as JSON.")
def trace(name: str, key: tuple[str, ...], file: Path | None, erase: bool, as_json: bool) -> None:
    """Find rows of NAME by key in all versions, splits, models, bundles and predictions."""
    from pipelines.commands.trace_tables import show_erasure, show_trace
    from pipelines.loading import pipeline
    from plumbline.environment import store_location
    from plumbline.history import trace as history
    from plumbline.history.erasure import erasure
    from plumbline.postgres import postgres
    from plumbline.registry import Registry
    from plumbline.store import ArtifactStore

    if not key and file is None:
        raise click.UsageError("name a row by --key k=v, or rows by --keys FILE.csv")
    given = [pairs(key, "--key")] if key else []
    with told_plainly():
        spec, store = pipeline(name), ArtifactStore.at(store_location())
        registry = Registry.open(postgres())
        keys = history.asked(spec, registry, given=given, file=file)
        traced = history.trace(spec, keys, registry, store)
        report = erasure(traced, spec, store.holds) if erase else None
    if as_json:
        click.echo(json.dumps((report or traced).to_json(), indent=2, ensure_ascii=False))
    elif report:
        show_erasure(report, store.address)
    else:
        show_trace(traced)
