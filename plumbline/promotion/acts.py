"""What is done with a pipeline's champion: every act is a row, made while nobody else acts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from plumbline.errors import NotComparable, PromotionError
from plumbline.promotion import entrants, events
from plumbline.promotion.comparison import Comparison, compare
from plumbline.promotion.events import REFUSE, TABLE, Action, Event
from plumbline.promotion.field import Place
from plumbline.registry import Row
from plumbline.split.ledger import reader

OUTRUN, NOT_COMPARABLE = "outrun_by", "not_comparable"
"""What an event's evidence has beside, or instead of, a comparison."""


@dataclass(frozen=True, kw_only=True)
class Signed:
    """Why something is done, and who answers for it.

    Raises:
        PromotionError: one of them is not said.
    """

    reason: str
    author: str

    def __post_init__(self) -> None:
        missing = [name for name in ("reason", "author") if not getattr(self, name).strip()]
        if missing:
            raise PromotionError(
                f"no {' and no '.join(missing)} is given",
                expected="why the champion is to change, and who answers for it",
                remedy=" ".join(f"--{name} '...'" for name in missing),
            )


def promote(place: Place, row: Row, by: Signed) -> tuple[Event, Comparison]:
    """Promote a bundle if it stands the comparison. A refusal is a row, too.

    row: in `bundles`. The champion by an override may be put to the comparison that it was
    spared: then it is held against whoever would be champion without it.

    Raises:
        PromotionError: it is the champion already, or another became champion meanwhile.
        NotComparable: it cannot be compared; a row says so.
        BundleError, StoreError, SpecError: as `compare`.
    """
    happened = events.events(place.registry, place.spec.name)
    act = _by_hand(place, row, happened, by)
    try:
        found = compare(place, row, row_of(place, act.rival))
    except NotComparable as error:
        with act.alone():
            act.append(REFUSE, by.reason, evidence=refusal(error))
        raise
    with act.alone() as now:
        _rival(now, row)
        action: Action = "promote" if found.wins else REFUSE
        return act.append(action, by.reason, evidence=found.to_json()), found


def override(place: Place, row: Row, by: Signed, expires_at: datetime) -> Event:
    """Make a bundle champion without a comparison, until a moment.

    Raises:
        PromotionError: it was promoted already, the moment has passed, or another became
            champion meanwhile.
        BundleError: its files are gone or do not verify.
    """
    happened = events.events(place.registry, place.spec.name)
    act = _by_hand(place, row, happened, by)
    _require_future(place, expires_at)
    entrants.opened(row, place.spec, place.store)
    with act.alone() as now:
        _rival(now, row)
        return act.append("override", by.reason, expires_at=expires_at)


def rollback(place: Place, by: Signed, to: Row | None = None) -> Event:
    """Go back to the champion before the present one, or to an earlier one.

    to: in `bundles`.

    Raises:
        PromotionError: there is none to go back to; the bundle never was champion, or by an
            override only; it is the champion; or another became champion meanwhile.
        BundleError: its files are gone or do not verify.
    """
    happened = events.events(place.registry, place.spec.name)
    row = to or row_of(place, events.before(happened))
    if row is None:
        raise PromotionError(
            f"{place.spec.name} has no champion to go back to",
            expected="one that was promoted before the present one",
            remedy=f"plumbline promotions {place.spec.name} shows what happened",
        )
    act = _by_hand(place, row, happened, by)
    _require_was_champion(place, row, happened)
    entrants.opened(row, place.spec, place.store)
    with act.alone() as now:
        _rival(now, row)
        return act.append("rollback", by.reason)


def refusal(error: NotComparable) -> dict[str, Any]:
    """The evidence of a bundle that could not be compared."""
    return {NOT_COMPARABLE: {"found": error.found, **error.values}}


def row_of(place: Place, event: Event | None) -> Row | None:
    """The row in `bundles` that an event is about."""
    return event and place.registry.one("bundles", bundle_version=event.bundle_version)


@dataclass(frozen=True, kw_only=True)
class Act:
    """A bundle about to become champion, and what was so when that was asked for."""

    place: Place
    row: Row
    """In `bundles`."""
    held: Event | None
    """Who was champion."""
    rival: Event | None
    """Whose place is asked for: `held`, or whoever it stands in for by an override."""
    author: str = ""
    """Empty where the pipeline goes by its rule."""

    @contextmanager
    def alone(self) -> Iterator[list[Event]]:
        """Hold the pipeline's promotions; all that happened until then.

        Raises:
            PromotionError: a third bundle became champion meanwhile; a row says so.
        """
        name = self.place.spec.name
        with self.place.registry.exclusive(f"{name}/{TABLE}"):
            happened = events.events(self.place.registry, name)
            now = events.champion(happened)
            if _bundle(now) not in (_bundle(self.held), self.row["bundle_version"]):
                raise self._outrun(now)
            yield happened

    def append(self, action: Action, reason: str, **facts: Any) -> Event:
        """Add the row. facts: its further columns."""
        added = self.place.registry.append(
            TABLE,
            pipeline=self.place.spec.name,
            action=action,
            bundle_version=self.row["bundle_version"],
            compared_with=_bundle(self.rival),
            reason=reason,
            author=self.author,
            promoted_by=reader(),
            **facts,
        )
        return events.of_row({**added, "expired": False})

    def _outrun(self, now: Event | None) -> PromotionError:
        if now is None:
            found = f"the override of {_short(self.held)} has expired meanwhile"
        else:
            found = f"bundle {_short(now)} came first: promotion {now.promotion}, by {_who(now)}"
        outrun = {"promotion": now and now.promotion, "bundle_version": _bundle(now)}
        self.append(REFUSE, found, evidence={OUTRUN: outrun})
        return PromotionError(
            f"{self.row['bundle_version'][:12]} was not promoted: {found}",
            expected=f"{_short(self.held) or 'nobody'} as champion, as when it was asked for",
            remedy="ask again, to be held against the present champion",
            outrun_by=_bundle(now),
        )


def _by_hand(place: Place, row: Row, happened: Sequence[Event], by: Signed) -> Act:
    """Raises PromotionError as `_rival`."""
    return Act(
        place=place,
        row=row,
        held=events.champion(happened),
        rival=_rival(happened, row),
        author=by.author,
    )


def _rival(happened: Sequence[Event], row: Row) -> Event | None:
    """Raises PromotionError where the bundle is champion, but not by an override."""
    line = events.succession(happened)
    own = row["bundle_version"]
    while line and line[-1].bundle_version == own and line[-1].action == "override":
        line.pop()
    if line and line[-1].bundle_version == own:
        raise PromotionError(
            f"bundle {own[:12]} is the champion already, by promotion {line[-1].promotion}",
            expected="another bundle",
            remedy=f"plumbline promotions {line[-1].pipeline} shows what happened",
        )
    return line[-1] if line else None


def _require_future(place: Place, moment: datetime) -> None:
    with place.registry.engine.connect() as connection:
        now = connection.scalar(sa.select(sa.func.clock_timestamp()))
    if now is None or moment <= now:
        raise PromotionError(
            f"the override would expire on {moment.isoformat()}, which has passed",
            expected=f"a moment after {now and now.isoformat()}",
            remedy="give a later --expires",
        )


def _require_was_champion(place: Place, row: Row, happened: Sequence[Event]) -> None:
    own = row["bundle_version"]
    if any(e.bundle_version == own and e.action in ("promote", "rollback") for e in happened):
        return
    raise PromotionError(
        f"bundle {own[:12]} never was the champion of {place.spec.name}, or by an override only",
        expected="one that stood a comparison",
        remedy=f"plumbline promote {place.spec.name} {own[:12]}",
    )


def _bundle(event: Event | None) -> str | None:
    return event and event.bundle_version


def _short(event: Event | None) -> str:
    return event.bundle_version[:12] if event else ""


def _who(event: Event) -> str:
    return event.author or event.promoted_by
