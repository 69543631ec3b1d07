"""What the pipeline itself does with a bundle that it has released: its rule, and once."""

from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.errors import NotComparable, PromotionError
from plumbline.promotion import comparison, events
from plumbline.promotion.acts import NOT_COMPARABLE, Act, refusal, row_of
from plumbline.promotion.comparison import Comparison, compare
from plumbline.promotion.events import REFUSE, Action, Event
from plumbline.promotion.field import Place
from plumbline.registry import Row


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a bundle that was put forward."""

    event: Event | None
    """The row that says so; None where another one came first."""
    comparison: Comparison | None
    """None where it was not compared."""
    told: str
    """One sentence, for people."""
    stood: bool = False
    """Whether it was decided before, so that nothing was done now."""

    @property
    def won(self) -> bool:
        """Whether it stood a comparison, or was promoted before there were any."""
        if self.comparison is not None:
            return self.comparison.wins
        return self.event is not None and self.event.action in ("promote", "rollback")

    @property
    def enough_rows(self) -> bool:
        """Whether rows were not what was missing."""
        if self.comparison is not None:
            return "positives" not in self.comparison.rows
        evidence = self.event.evidence if self.event else {}
        return "rows" not in evidence.get(NOT_COMPARABLE, {})


def put_forward(place: Place, row: Row) -> Outcome:
    """Hold a bundle against the champion, and promote it if it wins.

    Once: what came of it stands, whoever is champion since, and a bundle that was champion
    before comes back by hand only. So a run over the same data again neither opens the test
    rows nor undoes what somebody did. What could not be compared is tried again; a bundle that
    another one outran is held against that one.

    row: in `bundles`.

    Raises:
        BundleError, StoreError, SpecError: as `compare`.
    """
    happened = events.events(place.registry, place.spec.name)
    if known := _decided(place, row, happened):
        return known
    held = events.champion(happened)
    act = Act(place=place, row=row, held=held, rival=held)
    try:
        return _by_rule(act)
    except PromotionError as error:
        return Outcome(event=None, comparison=None, told=str(error))


def _by_rule(act: Act) -> Outcome:
    try:
        found = compare(act.place, act.row, row_of(act.place, act.held))
    except NotComparable as error:
        return _withheld(act, error)
    with act.alone() as happened:
        if known := _decided(act.place, act.row, happened):
            return known
        action: Action = "promote" if found.wins else REFUSE
        event = act.append(action, found.reason, evidence=found.to_json())
    return Outcome(event=event, comparison=found, told=found.reason)


def _withheld(act: Act, error: NotComparable) -> Outcome:
    """A row that says so, unless the last one of this bundle says the same."""
    evidence = refusal(error)
    with act.alone() as happened:
        last = next((e for e in reversed(happened) if e.bundle_version == _own(act.row)), None)
        rival = act.rival.bundle_version if act.rival else None
        known = last and (last.action, last.compared_with, last.evidence) == (
            REFUSE,
            rival,
            evidence,
        )
        event = last if known else act.append(REFUSE, error.found, evidence=evidence)
    return Outcome(event=event, comparison=None, told=str(error), stood=bool(known))


def _decided(place: Place, row: Row, happened: Sequence[Event]) -> Outcome | None:
    """What came of it before: it was compared by this rule, or it was champion."""
    own = [event for event in reversed(happened) if event.bundle_version == _own(row)]
    compared = [event for event in own if event.evidence.get("rule") == place.rule]
    event = next(iter([*compared, *(one for one in own if one.action != REFUSE)]), None)
    if event is None:
        return None
    return Outcome(event=event, comparison=_kept(place, event), told=_told(event), stood=True)


def _kept(place: Place, event: Event) -> Comparison | None:
    """The comparison that an event rests on, if it does and its artifact is in the store."""
    version = event.evidence.get("version")
    folder = version and place.store.find(place.spec.name, comparison.STAGE, version)
    return comparison.load(folder) if folder else None


def _told(event: Event) -> str:
    judged = event.evidence.get("judged") or {}
    refused = event.evidence.get("refused") or event.evidence.get(NOT_COMPARABLE, {}).get("found")
    return judged.get("reason") or refused or event.reason


def _own(row: Row) -> str:
    return row["bundle_version"]
