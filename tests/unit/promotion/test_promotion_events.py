"""Who is champion, by the rows alone."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.promotion import events
from plumbline.promotion.events import Event

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def happened(*words: str) -> list[Event]:
    """Events from words: "promote A", "override B expired", "refuse C A" (held against A)."""
    return [_event(number, *word.split()) for number, word in enumerate(words, 1)]


def _event(number: int, action: str, bundle: str, *rest: str) -> Event:
    return Event(
        promotion=number,
        pipeline="p",
        action=action,
        bundle_version=bundle,
        compared_with=next((word for word in rest if word != "expired"), None),
        evidence={},
        reason="",
        author="",
        promoted_by="",
        promoted_at=MOMENT,
        expires_at=MOMENT if action == "override" else None,
        expired="expired" in rest,
    )


def _name(event: Event | None) -> str | None:
    return event and event.bundle_version


@pytest.mark.parametrize(
    ("rows", "champion", "before"),
    [
        ([], None, None),
        (["refuse A"], None, None),
        (["promote A"], "A", None),
        (["promote A", "promote B"], "B", "A"),
        (["promote A", "refuse B A"], "A", None),
        (["promote A", "promote B", "rollback A"], "A", None),
        (["promote A", "promote B", "promote C", "rollback B"], "B", "A"),
        # Going back twice goes back further, not to and fro.
        (["promote A", "promote B", "promote C", "rollback B", "rollback A"], "A", None),
        (["promote A", "promote B", "rollback A", "promote C"], "C", "A"),
        (["promote A", "promote B", "promote A"], "A", "B"),
        (["promote A", "override B"], "B", "A"),
        (["promote A", "override B expired"], "A", None),
        # Nobody goes back to an override, which nothing was ever compared for.
        (["promote A", "override B", "promote C"], "C", "A"),
        (["promote A", "override B", "override C expired"], "B", "A"),
        (["override B expired"], None, None),
        (["promote A", "promote B", "override C expired", "rollback A"], "A", None),
    ],
)
def test_the_champion_and_the_one_before(rows, champion, before):
    assert _name(events.champion(happened(*rows))) == champion
    assert _name(events.before(happened(*rows))) == before


@pytest.mark.parametrize(
    ("rows", "challenger"),
    [
        (["promote A", "promote B"], None),
        (["refuse A"], "A"),
        (["promote A", "refuse B A"], "B"),
        (["promote A", "refuse B A", "refuse C A"], "C"),
        # It was not the present champion that it was held against.
        (["promote A", "refuse B A", "promote C A"], None),
        (["promote A", "refuse B A", "promote B A"], None),
        (["promote A", "refuse B A", "promote C A", "rollback A"], "B"),
    ],
)
def test_the_challenger(rows, challenger):
    assert _name(events.challenger(happened(*rows))) == challenger


def word(action: str, bundle: str, expired: bool) -> str:
    return f"{action} {bundle}{' expired' if action == 'override' and expired else ''}"


words = st.lists(
    st.builds(
        word,
        st.sampled_from(["promote", "rollback", "override", "refuse"]),
        st.sampled_from("ABCD"),
        st.booleans(),
    ),
    max_size=12,
)


@given(words)
def test_a_refusal_and_an_expired_override_change_nothing(rows):
    standing = [row for row in rows if not row.startswith("refuse") and "expired" not in row]
    for find in (events.champion, events.before):
        assert _name(find(happened(*rows))) == _name(find(happened(*standing)))


@given(words, st.sampled_from("ABCD"))
def test_what_is_done_last_holds_and_can_be_taken_back(rows, bundle):
    current = _name(events.champion(happened(*rows)))
    promoted = [*rows, f"promote {bundle}"]
    assert _name(events.champion(happened(*promoted))) == bundle
    back = _name(events.before(happened(*promoted)))
    if current not in (None, bundle) and f"override {current}" not in rows:
        assert back == current
        assert _name(events.champion(happened(*promoted, f"rollback {back}"))) == current
