"""`plumbline promote`, `plumbline rollback`, `plumbline promotions`: who is champion, by hand."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.shared import told_plainly

if TYPE_CHECKING:
    from plumbline.promotion.events import Event
    from plumbline.promotion.field import Place

REASON = click.option("--reason", default="", help="Why; kept with the promotion.")
AUTHOR = click.option("--author", default="", help="Who answers for it: a name or an address.")


@click.command()
@click.argument("name")
@click.argument("version", metavar="BUNDLE_VERSION")
@REASON
@AUTHOR
@click.option(
    "--override", "overrides", is_flag=True, help="Without a comparison, until --expires."
)
@click.option("--expires", default=None, help="Until when an override stands: 2027-01-31, UTC.")
def promote(  # noqa: PLR0917
    name: str, version: str, reason: str, author: str, overrides: bool, expires: str | None
) -> None:
    """Make BUNDLE_VERSION the champion of NAME, if it beats the present one; else exit code 1.

    BUNDLE_VERSION is a version's first digits, or challenger.
    """
    from pipelines.screen import show_progress
    from plumbline.promotion import acts, aliases

    if overrides != (expires is not None):
        raise click.UsageError("--override and --expires go together: an override ends")
    show_progress()
    with told_plainly():
        by, place = acts.Signed(reason=reason, author=author), _place(name)
        row = aliases.bundle(place.registry, name, version)
        if overrides:
            event, told = acts.override(place, row, by, _moment(expires)), f"until {expires}"
        else:
            event, found = acts.promote(place, row, by)
            told = found.reason
        _report(place, event)
    _tell(event, told)


@click.command()
@click.argument("name")
@REASON
@AUTHOR
@click.option("--to", "version", help="Another earlier champion than the last: its first digits.")
def rollback(name: str, reason: str, author: str, version: str | None) -> None:
    """Make the champion before the present one the champion of NAME again."""
    from plumbline.promotion import acts, aliases

    with told_plainly():
        by, place = acts.Signed(reason=reason, author=author), _place(name)
        to = aliases.bundle(place.registry, name, version) if version is not None else None
        event = acts.rollback(place, by, to)
        _report(place, event)
    _tell(event, f"in the place of {(event.compared_with or '')[:12]}")


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Everything that is recorded, as JSON.")
def promotions(name: str, as_json: bool) -> None:
    """What happened to the champion of NAME, and who it is now."""
    from plumbline.postgres import postgres
    from plumbline.promotion import events
    from plumbline.registry import Registry

    with told_plainly():
        happened = events.events(Registry.open(postgres()), name)
    if as_json:
        click.echo(json.dumps([vars(one) for one in happened], indent=2, default=str))
        return
    for alias, find in (("champion", events.champion), ("challenger", events.challenger)):
        event = find(happened)
        click.echo(f"{alias:<11}{event.bundle_version if event else 'none'}")
    _show(happened)


def _place(name: str) -> "Place":
    from pipelines.loading import pipeline
    from plumbline.environment import store_location
    from plumbline.postgres import postgres
    from plumbline.promotion.field import Place
    from plumbline.registry import Registry
    from plumbline.stages import stage_code_version
    from plumbline.store import ArtifactStore

    spec = pipeline(name)
    return Place(
        spec=spec,
        registry=Registry.open(postgres()),
        store=ArtifactStore.at(store_location()),
        rule=stage_code_version(spec, "promotion"),
    )


def _moment(given: str | None) -> datetime:
    """A date or a moment in ISO format; in UTC where it names no other zone."""
    try:
        moment = datetime.fromisoformat(given or "")
    except ValueError:
        raise click.BadParameter(
            f"{given!r} is neither a date nor a moment: write 2027-01-31 or 2027-01-31T18:00",
            param_hint="--expires",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _report(place: "Place", event: "Event") -> None:
    """Show it in the UI, too, beside what runs recorded."""
    import dagster as dg

    from assets.promotion import reports

    with dg.DagsterInstance.get() as instance:
        for one in reports(place, event):
            instance.report_runless_asset_event(one)


def _tell(event: "Event", told: str) -> None:
    from plumbline.promotion.events import REFUSE

    done = {"promote": "promoted", "override": "promoted by override", "rollback": "champion again"}
    what = f"bundle {event.bundle_version[:12]}"
    if event.action == REFUSE:
        click.echo(f"{what} is not promoted: {told}", err=True)
        sys.exit(1)
    click.echo(f"{what} is {done[event.action]}: {told}")


def _show(happened: "list[Event]") -> None:
    from pipelines.commands.tables import grid
    from pipelines.screen import console

    rows: list[Any] = [
        (
            one.promotion,
            str(one.promoted_at)[:19],
            one.action,
            one.bundle_version[:12],
            (one.compared_with or "")[:12],
            one.author or one.promoted_by,
            _until(one),
            one.reason,
        )
        for one in happened
    ]
    heads = ("", "at", "action", "bundle", "against", "by", "until", "reason")
    console().print(grid(rows, *heads))


def _until(event: "Event") -> str:
    if event.expires_at is None:
        return ""
    return f"{str(event.expires_at)[:19]}{' (expired)' if event.expired else ''}"
