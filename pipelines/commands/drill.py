"""`plumbline drill NAME`: does every guard still fire?"""

import sys

import click

from pipelines.commands.shared import told_plainly


@click.command()
@click.argument("name")
@click.option("--dataset-version", help="Default: the one that was frozen last.")
@click.option("--json", "as_json", is_flag=True, help="The outcomes as JSON.")
def drill(name: str, dataset_version: str | None, as_json: bool) -> None:
    """Put faults into copies of NAME's data; exit code 1 if a guard is silent or cries wolf."""
    import json

    from assets.guard_drill import held
    from pipelines.commands.shared import workbench

    with told_plainly():
        outcomes = held(workbench(name, dataset_version))
    if as_json:
        click.echo(json.dumps([vars(one) for one in outcomes], indent=2, ensure_ascii=False))
    else:
        _print(outcomes)
    sys.exit(0 if all(outcome.passed for outcome in outcomes) else 1)


def _print(outcomes: list) -> None:
    from rich.table import Table

    from pipelines.screen import console

    grid = Table(
        "guard", "injection", "fired", "silent on sound data", "told", box=None, pad_edge=False
    )
    for one in outcomes:
        told = one.told if len(one.told) <= 90 else f"{one.told[:89]}…"
        grid.add_row(
            one.guard,
            one.injection,
            "yes" if one.fired else "NO",
            "yes" if one.silent_on_sound_data else "NO",
            told,
        )
    console().print(grid)
