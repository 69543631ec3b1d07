"""The append-only rows of `promotions`, and who is champion by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from plumbline.registry import Registry

TABLE = "promotions"

Action = Literal["promote", "rollback", "override", "refuse"]

REFUSE: Action = "refuse"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One row: what was done with a bundle, or refused, and on what evidence."""

    promotion: int
    """Its number; later rows have greater ones."""
    pipeline: str
    action: Action
    bundle_version: str
    compared_with: str | None
    """The champion that it was held against; None: the floor, or nothing."""
    evidence: dict[str, Any]
    """What was measured, or why it was not; see docs/promotion.md."""
    reason: str
    author: str
    """Who answers for it; empty where the pipeline went by its rule."""
    promoted_by: str
    """Who ran the process: user@host."""
    promoted_at: datetime
    expires_at: datetime | None
    """Until when an override stands."""
    expired: bool
    """Whether that moment has passed, by the clock of the database."""


def events(registry: Registry, pipeline: str) -> list[Event]:
    """All that happened to a pipeline's champion, the oldest first."""
    table = registry.table(TABLE)
    expired = sa.func.coalesce(table.c.expires_at <= sa.func.clock_timestamp(), sa.false())
    statement = (
        sa.select(table, expired.label("expired"))
        .filter_by(pipeline=pipeline)
        .order_by(table.c.promotion)
    )
    with registry.engine.connect() as connection:
        return [of_row(dict(row._mapping)) for row in connection.execute(statement)]


def of_row(row: Mapping[str, Any]) -> Event:
    """A row of the table, with `expired` beside its columns."""
    return Event(**{field.name: row[field.name] for field in fields(Event)})


def succession(happened: Sequence[Event]) -> list[Event]:
    """What made each bundle champion that one can still go back to, the present one last.

    An override that has expired is as if it had never been. A rollback takes away what came
    after the bundle that it goes back to.
    """
    line: list[Event] = []
    for event in happened:
        if event.action == REFUSE or event.expired:
            continue
        if event.action == "rollback":
            line = line[: _last(line, event.bundle_version)]
        line.append(event)
    return line


def champion(happened: Sequence[Event]) -> Event | None:
    """What made the present champion so; None where there is none."""
    line = succession(happened)
    return line[-1] if line else None


def challenger(happened: Sequence[Event]) -> Event | None:
    """The last bundle that the present champion, or without one the floor, was kept before."""
    held = champion(happened)
    current = held.bundle_version if held else None
    for event in reversed(happened):
        if event.action == REFUSE and event.compared_with == current:
            return None if event.bundle_version == current else event
    return None


def before(happened: Sequence[Event]) -> Event | None:
    """What a rollback goes back to: the last other champion that was no override."""
    line = succession(happened)
    return next(
        (
            event
            for event in reversed(line)
            if event.action != "override" and event.bundle_version != line[-1].bundle_version
        ),
        None,
    )


def _last(line: Sequence[Event], bundle_version: str) -> int:
    """Place of the last event of a bundle; the end where there is none."""
    places = [at for at, event in enumerate(line) if event.bundle_version == bundle_version]
    return places[-1] if places else len(line)
