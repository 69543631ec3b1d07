"""`plumbline diff NAME V1 V2`: what became of the data between two dataset versions."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.shared import told_plainly

if TYPE_CHECKING:
    from plumbline.registry import Registry
    from plumbline.spec import PipelineSpec
    from plumbline.store import ArtifactStore

Facts = dict[str, Any]


@click.command()
@click.argument("name")
@click.argument("before", metavar="V1")
@click.argument("after", metavar="V2")
@click.option("--json", "as_json", is_flag=True, help="Everything that was found, as JSON.")
def diff(name: str, before: str, after: str, as_json: bool) -> None:
    """Compare two dataset versions of NAME; exit code 1 if `hash` moved a row between sides."""
    from pipelines.loading import pipeline
    from plumbline.environment import store_location
    from plumbline.postgres import postgres
    from plumbline.registry import Registry
    from plumbline.store import ArtifactStore

    with told_plainly():
        store = ArtifactStore.at(store_location())
        facts = compared(pipeline(name), before, after, Registry.open(postgres()), store)
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        show(facts)
    if problem := facts["split"].get("problem"):
        click.echo(f"ERROR {problem}", err=True)
        sys.exit(1)


def compared(
    spec: "PipelineSpec", before: str, after: str, registry: "Registry", store: "ArtifactStore"
) -> Facts:
    """Everything that differs, as JSON types: a `Diff`, and `split` with its `Moves`.

    Raises:
        RegistryError: a version was never frozen.
        HistoryError: the versions' keys differ.
        StoreError: a snapshot is not in the store, or has changed.
    """
    from plumbline.errors import ArtifactMissing
    from plumbline.extract.freeze import find_snapshot
    from plumbline.history.diff import diff as difference
    from plumbline.history.moves import moves
    from plumbline.history.pair import pair
    from plumbline.summary import frozen

    versions = [frozen(registry, spec.name, one)["dataset_version"] for one in (before, after)]
    snapshots = [find_snapshot(spec.name, version, registry, store) for version in versions]
    found = asdict(difference(*snapshots))
    try:
        split = {"compared": True, **moves(spec, pair(*snapshots), store).to_json()}
    except ArtifactMissing as missing:
        split = {"compared": False, "reason": str(missing)}
    return {**found, "split": split}


def show(facts: Facts) -> None:
    """The facts on one screen."""
    from pipelines.screen import console

    screen = console()
    for part in (_versions(facts), _columns(facts), _examples(facts), *_split(facts["split"])):
        screen.print(part, markup=False)
        screen.print()


def _versions(facts: Facts) -> Any:
    from pipelines.commands.tables import grid

    ends = [
        (
            what,
            facts[when]["dataset_version"],
            f"{facts[when]['rows']:,} rows",
            f"sha256 {facts[when]['digest'][:12]}",
        )
        for what, when in (("before", "before"), ("after", "after"))
    ]
    rows = ", ".join(f"{count:,} {what}" for what, count in facts["rows"].items())
    return grid([*ends, ("rows", rows), *_named_columns(facts["columns"])], title=facts["pipeline"])


def _named_columns(columns: Facts) -> Iterator[tuple[str, str]]:
    for what in ("added", "removed"):
        if named := [f"{one['column']} ({one['type']})" for one in columns[what]]:
            yield f"columns {what}", ", ".join(named)
    for one in columns["retyped"]:
        yield "retyped", f"{one['column']}: {one['before']} to {one['after']}"


def _columns(facts: Facts) -> Any:
    from pipelines.commands.tables import grid

    telling = [one for one in facts["changes"] if one["rows_changed"] != 0 or one["size"] != "none"]
    quiet = len(facts["changes"]) - len(telling)
    if not telling:
        return f"no row changed in any of the {quiet:,} columns; no distribution moved"
    table = grid(
        (
            (
                one["column"],
                "types differ" if one["rows_changed"] is None else one["rows_changed"],
                one["size"],
                "none" if one["distance"] is None else f"{one['measure']} {one['distance']:.4f}",
                f"{one['nulls_before']:.2%} to {one['nulls_after']:.2%}",
            )
            for one in sorted(telling, key=_effect, reverse=True)
        ),
        "column",
        "rows changed",
        "effect",
        "distance",
        "NULL",
    )
    if quiet:
        table.caption = f"{quiet:,} more columns: no row changed, and no effect"
        table.caption_justify = "left"
    return table


def _effect(change: Facts) -> float:
    return max(change["distance"] or 0.0, abs(change["nulls_after"] - change["nulls_before"]))


def _examples(facts: Facts) -> Any:
    from pipelines.commands.tables import grid, key_text, shown

    return grid(
        (
            (
                kind,
                key_text(one["key"]),
                ", ".join(
                    f"{name}: {shown(both['before'])} to {shown(both['after'])}"
                    for name, both in one.get("changes", {}).items()
                ),
            )
            for kind, rows in facts["examples"].items()
            for one in rows
        ),
        "for example",
        "key",
        "values",
    )


def _split(split: Facts) -> Iterator[Any]:
    from pipelines.commands.tables import grid
    from plumbline.split.rows import NAMES

    if not split["compared"]:
        yield f"split    not compared: {split['reason']}"
        return
    rows = {(one["before"], one["after"]): one["rows"] for one in split["table"]}
    places = [one for one in NAMES if any(one in pair for pair in rows)]
    yield grid(
        ((f"before: {one}", *(rows.get((one, other), 0) for other in places)) for one in places),
        "rows in both",
        *(f"after: {one}" for one in places),
    )
    told = f"split    policy {split['policy']}: {split['moved']:,} rows moved between sides"
    if split["regrouped"]:
        told += f", {split['regrouped']:,} of them with another group"
    if split["excluded"]:
        told += f"; {split['excluded']:,} rows are excluded in one version only"
    yield told
