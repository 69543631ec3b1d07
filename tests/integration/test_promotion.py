"""Champions and challengers in a real registry and store: what is compared, and what becomes so."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa
from click import ClickException
from click.testing import CliRunner
from promoted_bundles import NAME, declared, frozen, place_of, release, version, visits

from pipelines.commands import promote as commands
from pipelines.commands.shared import BundlePath
from plumbline.errors import BundleError, NotComparable, PromotionError
from plumbline.promotion import acts, aliases, events
from plumbline.promotion.acts import Signed
from plumbline.promotion.forward import put_forward

BY = Signed(reason="because", author="me@example.org")
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def place(registry, store):
    return place_of(registry, store)


def champion(place):
    event = aliases.current(place.registry, NAME)
    return event and event.bundle_version


def happened(place):
    return [(one.action, one.bundle_version) for one in events.events(place.registry, NAME)]


def reads(place):
    return len(place.registry.rows("test_reads"))


def other(place, **options):
    """The same place with other options, and so another rule."""
    return place_of(place.registry, place.store, declared(**options), rule=version(str(options)))


def test_without_a_champion_the_floor_has_to_be_beaten_and_a_run_again_does_nothing(place):
    data = frozen(place, visits())
    bad, good = release(place, data, "bad", 9.0), release(place, data, "good", 0.3)
    refused = put_forward(place, bad)
    assert (refused.event.action, refused.won, champion(place)) == ("refuse", False, None)
    assert "the linear model" in refused.told
    assert aliases.bundle(place.registry, NAME, "challenger") == bad
    won = put_forward(place, good)
    assert (won.event.action, won.won, won.stood) == ("promote", True, False)
    assert set(won.comparison.judged["differences"]) == {"dummy", "linear"}
    assert won.event.evidence["version"] == won.comparison.version
    assert champion(place) == good["bundle_version"]
    location = aliases.bundle_location(place.registry, f"{NAME}@champion")
    assert location == Path(good["location"])

    before = happened(place), reads(place)
    again = [put_forward(place, row) for row in (bad, good)]
    assert [one.stood for one in again] == [True, True]
    assert [one.comparison for one in again] == [refused.comparison, won.comparison]
    assert (happened(place), reads(place)) == before


def test_a_run_again_undoes_nobody_s_rollback(place):
    data = frozen(place, visits())
    rows = [release(place, data, name, noise) for name, noise in (("a", 1.0), ("b", 0.0))]
    assert [put_forward(place, row).event.action for row in rows] == ["promote", "promote"]
    acts.rollback(place, BY)
    before = happened(place), reads(place)
    for row in rows:
        assert put_forward(place, row).stood
    assert (happened(place), reads(place)) == before
    assert champion(place) == rows[0]["bundle_version"]
    # By hand the same comparison stands, and is not made again.
    event, found = acts.promote(place, rows[1], BY)
    assert (event.action, event.author) == ("promote", BY.author)
    assert (champion(place), reads(place)) == (rows[1]["bundle_version"], before[1])
    assert found.champion == rows[0]["bundle_version"]


def test_rows_that_the_champion_learned_of_are_left_out_though_its_data_is_gone(place):
    old = frozen(place, visits())
    put_forward(place, release(place, old, "old", 1.0))
    learned = set(np.flatnonzero(old.split.assignment < 2).tolist())
    for stage in ("snapshot", "split", "normalization"):
        shutil.rmtree(place.store.root / NAME / stage)
    new = frozen(place, visits(first=500), "v2", seed=1)
    row = release(place, new, "new", 0.0)
    tested = 500 + np.flatnonzero(new.split.assignment == 2)
    left = [one for one in tested.tolist() if one not in learned]
    assert 100 < len(left) < len(tested)

    strict = other(place, promotion={"min_rows": len(left) + 1})
    before = reads(place)
    withheld = put_forward(strict, row)
    assert f"{len(left):,} of {len(tested):,} test rows are left" in withheld.told
    assert not withheld.enough_rows
    assert put_forward(strict, row).stood
    assert (reads(place), len(happened(place))) == (before, 2)
    with pytest.raises(NotComparable, match=f"{len(left):,} of {len(tested):,} test rows"):
        acts.promote(strict, row, BY)

    won = put_forward(place, row)
    assert won.comparison.rows == {"test": len(tested), "compared": len(left)}
    assert champion(place) == row["bundle_version"]


def test_too_few_positives_are_told_and_the_rows_are_not_read_for_that_again(place):
    strict = other(place, promotion={"min_positives": 200})
    row = release(place, frozen(place, visits()), "a")
    first, again = put_forward(strict, row), put_forward(strict, row)
    assert "rows are left that neither has learned of" in first.told
    assert "of them positive; expected promotion.min_positives, 200" in first.told
    assert (first.won, first.enough_rows, again.stood, reads(place)) == (False, False, True, 1)


def _without(place, data):
    return frozen(place, visits(first=5000).drop_columns(["noise"]), "v2")


def _regression(place, data):
    return frozen(other(place, task="regression"), visits(first=5000), "v2")


def _gone(place, data):
    shutil.rmtree(aliases.bundle_location(place.registry, f"{NAME}@champion"))
    return data


def _undigested(place, data):
    (folder,) = (place.store.root / NAME / "release").glob("*")
    (folder / "seen.json").unlink()
    (folder / "artifact.json").write_text(
        json.dumps({"files": {n: d for n, d in _files(folder).items() if n != "seen.json"}})
    )
    return data


def _files(folder):
    return json.loads((folder / "artifact.json").read_text())["files"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_without, "no column 'noise'"),
        (_regression, "its task is 'binary', now 'regression'"),
        (_gone, "is gone"),
        (_undigested, "holds no digests"),
    ],
)
def test_a_champion_that_cannot_be_held_against_it_names_the_way_out(place, change, told):
    data = frozen(place, visits())
    put_forward(place, release(place, data, "old", 1.0))
    before = reads(place)
    data = change(place, data)
    now = place_of(place.registry, place.store, data.spec, rule="rule-2")
    row = release(now, data, "new", 0.0)
    found = put_forward(now, row)
    assert (found.won, found.enough_rows, found.event.action) == (False, True, "refuse")
    assert told in found.told
    assert "to fix: promote without a comparison: plumbline promote --override" in found.told
    assert reads(place) == before
    acts.override(now, row, BY, FAR)
    assert champion(place) == row["bundle_version"]


def test_an_override_ends_by_the_clock_of_the_database(place):
    data = frozen(place, visits())
    good, bad = release(place, data, "good", 0.3), release(place, data, "bad", 2.0)
    put_forward(place, good)
    assert put_forward(place, bad).event.action == "refuse"
    with place.registry.engine.connect() as connection:
        now = connection.scalar(sa.select(sa.func.clock_timestamp()))
    with pytest.raises(PromotionError, match="which has passed"):
        acts.override(place, bad, BY, now)
    assert len(happened(place)) == 2
    acts.override(place, bad, BY, now + timedelta(seconds=1))
    assert champion(place) == bad["bundle_version"]
    # It may be put to the comparison that it was spared, and is not by that worse off.
    assert acts.promote(place, bad, BY)[0].action == "refuse"
    assert champion(place) == bad["bundle_version"]
    time.sleep(1)
    assert champion(place) == good["bundle_version"]
    with pytest.raises(PromotionError, match="never was the champion"):
        acts.rollback(place, BY, bad)


def test_a_rollback_goes_to_a_sound_champion_from_before(place):
    data = frozen(place, visits())
    rows = {name: release(place, data, name, noise) for name, noise in LINE.items()}
    for row in rows.values():
        acts.override(place, row, BY, FAR) if row is rows["o"] else put_forward(place, row)
    with pytest.raises(PromotionError, match="no reason and no author is given"):
        acts.rollback(place, Signed(reason=" ", author=""))
    for name, told in (("c", "is the champion already"), ("o", "by an override only")):
        with pytest.raises(PromotionError, match=told):
            acts.rollback(place, BY, rows[name])
    assert acts.rollback(place, BY).bundle_version == rows["b"]["bundle_version"]

    (Path(rows["a"]["location"]) / "card.md").write_text("changed")
    for to in (None, rows["a"]):
        with pytest.raises(BundleError, match=r"card\.md"):
            acts.rollback(place, BY, to)
    shutil.rmtree(rows["a"]["location"])
    with pytest.raises(BundleError, match="is gone"):
        acts.rollback(place, BY)
    with pytest.raises(PromotionError, match="is gone"):
        aliases.bundle_location(place.registry, f"{NAME}@{rows['a']['bundle_version'][:9]}")
    assert champion(place) == rows["b"]["bundle_version"]
    assert acts.rollback(place, BY, rows["c"]).compared_with == rows["b"]["bundle_version"]


LINE = {"a": 2.0, "b": 1.0, "o": 0.9, "c": 0.0}
"""Noise of bundles that are put forward one after the other; o gets there by an override."""


@pytest.mark.parametrize(
    ("task", "noise"), [("multiclass", 1.5), ("multilabel", 1.5), ("regression", 0.7)]
)
def test_every_task_has_champions(place, task, noise):
    own = other(place, task=task)
    data = frozen(own, visits())
    rows = [release(own, data, name, noise) for name, noise in (("a", noise), ("b", 0.0))]
    found = [put_forward(own, row) for row in rows]
    assert [one.event.action for one in found] == ["promote", "promote"], found[-1].told
    assert [one.comparison.champion for one in found] == [None, rows[0]["bundle_version"]]


def test_a_row_from_before_is_a_promotion(place):
    data = frozen(place, visits())
    old, new = release(place, data, "old", 1.0), release(place, data, "new", 0.0)
    place.registry.append(
        "promotions",
        pipeline=NAME,
        bundle_version=old["bundle_version"],
        reason="as it was recorded once",
        promoted_by="somebody",
    )
    assert champion(place) == old["bundle_version"]
    assert put_forward(place, old).won
    assert put_forward(place, new).event.compared_with == old["bundle_version"]
    with pytest.raises(sa.exc.IntegrityError):
        place.registry.append(
            "promotions",
            pipeline="another",
            bundle_version=old["bundle_version"],
            reason="of another pipeline",
            promoted_by="somebody",
        )


CHILD = """
    import os, signal, sys, time
    from pathlib import Path
    from promoted_bundles import place_of
    from plumbline.errors import PromotionError
    from plumbline.postgres import postgres
    from plumbline.promotion import acts, comparison, forward
    from plumbline.registry import Registry
    from plumbline.store import ArtifactStore

    root, mode, bundle, asked = Path(sys.argv[1]), *sys.argv[2:]
    place = place_of(Registry.open(postgres()), ArtifactStore.at(root))
    row = place.registry.one("bundles", bundle_version=bundle)
    compare, judged, append = acts.compare, comparison._judged, acts.Act.append

    def meet(*given):
        found = compare(*given)
        (root / f"ready-{bundle}").touch()
        while len(list(root.glob("ready-*"))) < 2:
            time.sleep(0.01)
        return found

    def die(*given, **facts):
        os.kill(os.getpid(), signal.SIGKILL)

    if mode == "meet":
        acts.compare = forward.compare = meet
    elif mode == "die-reading":
        comparison._judged = die
    elif mode == "die-before-the-row":
        acts.Act.append = die
    try:
        if asked == "by hand":
            event, _ = acts.promote(place, row, acts.Signed(reason="r", author=bundle[:4]))
            print(event.action)
        else:
            outcome = forward.put_forward(place, row)
            print(outcome.event.action if outcome.event else outcome.told)
    except PromotionError as error:
        print(error)
"""


@pytest.fixture
def start(place, postgres, monkeypatch):
    """Start something with a bundle in a process of its own."""
    monkeypatch.setenv("DATABASE_URL", postgres.url)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))

    def call(mode: str, row: dict, asked: str) -> subprocess.Popen:
        words = [str(place.store.root), mode, row["bundle_version"], asked]
        command = [sys.executable, "-c", textwrap.dedent(CHILD), *words]
        return subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, text=True)

    return call


def test_of_two_at_once_one_wins_and_the_other_is_told(place, start):
    data = frozen(place, visits())
    put_forward(place, release(place, data, "old", 2.0))
    rows = [release(place, data, "one", 0.1), release(place, data, "two", 0.0)]
    both = [start("meet", *one) for one in zip(rows, ("by hand", "by rule"), strict=True)]
    told = [process.communicate(timeout=60)[0].strip() for process in both]
    won, lost = told.index("promote"), 1 - told.index("promote")
    version_of = [row["bundle_version"] for row in rows]
    first = f"bundle {version_of[won][:12]} came first: promotion 2, by "
    assert told[lost].startswith(f"{version_of[lost][:12]} was not promoted: {first}")
    assert champion(place) == version_of[won]
    last = events.events(place.registry, NAME)[-1]
    assert (last.action, last.bundle_version) == ("refuse", version_of[lost])
    assert last.evidence == {"outrun_by": {"promotion": 2, "bundle_version": version_of[won]}}
    # Asked again, it is held against the one that came first.
    assert put_forward(place, rows[lost]).comparison.champion == version_of[won]


def test_a_kill_in_between_leaves_nothing_half_done(place, start):
    row = release(place, frozen(place, visits()), "a", 0.3)
    for mode in ("die-reading", "die-before-the-row"):
        process = start(mode, row, "by rule")
        process.communicate(timeout=60)
        assert process.returncode == -9
        assert (champion(place), happened(place)) == (None, [])
    assert reads(place) == 2  # the first one was killed with the rows open
    found = put_forward(place, row)
    assert (found.event.action, champion(place)) == ("promote", row["bundle_version"])
    assert (reads(place), found.comparison.judged["reading"]) == (2, 1)
    stage = place.store.root / NAME / "promotion"
    assert [one.name for one in stage.iterdir()] == [found.comparison.version]


@pytest.fixture
def by_hand(place, postgres, tmp_path, monkeypatch):
    """The commands, on the pipeline of these tests."""
    monkeypatch.setenv("DATABASE_URL", postgres.url)
    monkeypatch.setenv("PLUMBLINE_STORE", str(place.store.root))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("PLUMBLINE_HOME", str(tmp_path))
    monkeypatch.setattr("pipelines.loading.pipeline", lambda name: place.spec)
    monkeypatch.setattr("pipelines.screen.show_progress", lambda: None)

    def call(command, *words: str):
        return CliRunner().invoke(command, [NAME, *words])

    return call


def test_by_hand_on_the_command_line_and_in_the_ui(place, by_hand):
    signed = ["--reason", "because", "--author", "me@example.org"]
    data = frozen(place, visits())
    good, bad = release(place, data, "good", 0.3), release(place, data, "bad", 2.0)
    short, weak = good["bundle_version"][:8], bad["bundle_version"][:8]

    unsigned = by_hand(commands.promote, short, "--author", "me@example.org")
    assert (unsigned.exit_code, reads(place)) == (1, 0)
    assert "no reason is given" in unsigned.output
    for name, told in (("b0", "2 bundles of tested begin with 'b0'"), ("c", "no bundle 'c'")):
        assert told in by_hand(commands.promote, name, *signed).output
    won = by_hand(commands.promote, short, *signed)
    assert won.exit_code == 0, won.output
    assert f"bundle {good['bundle_version'][:12]} is promoted: AUC of the new bundle" in won.stdout
    lost = by_hand(commands.promote, weak, *signed)
    assert lost.exit_code == 1
    assert "is not promoted: AUC of the new bundle minus that of the champion is -" in lost.stderr

    ending = [*signed, "--override", "--expires", "2100-01-31"]
    over = by_hand(commands.promote, "challenger", *ending)
    assert f"bundle {bad['bundle_version'][:12]} is promoted by override" in over.stdout
    assert aliases.current(place.registry, NAME).expires_at == datetime(2100, 1, 31, tzinfo=UTC)
    assert "which has passed" in by_hand(commands.promote, weak, *ending[:-1], "2020-01-31").stderr
    assert by_hand(commands.promote, weak, *ending[:-1], "tomorrow").exit_code == 2
    back = by_hand(commands.rollback, *signed)
    assert f"bundle {good['bundle_version'][:12]} is champion again" in back.stdout
    nowhere = by_hand(commands.rollback, *signed)
    assert "has no champion to go back to" in nowhere.stderr

    actions = ["promote", "refuse", "override", "rollback"]
    rows = json.loads(by_hand(commands.promotions, "--json").stdout)
    assert [row["action"] for row in rows] == actions
    assert {(row["reason"], row["author"]) for row in rows} == {("because", "me@example.org")}
    shown = by_hand(commands.promotions).stdout
    assert f"champion   {good['bundle_version']}" in shown
    assert f"challenger {bad['bundle_version']}" in shown
    with dg.DagsterInstance.get() as instance:
        seen = instance.fetch_observations(dg.AssetKey([NAME, "promotion"]), limit=10).records
    observed = [one.asset_observation for one in reversed(seen)]
    assert [one.description.split()[0] for one in observed] == actions
    assert {one.partition for one in observed} == {"v1"}
    assert observed[-1].metadata["champion"].value == good["bundle_version"]

    named = BundlePath()
    assert named.convert(f"{NAME}@champion") == Path(good["location"])
    assert named.convert(f"{NAME}@{weak}") == Path(bad["location"])
    assert named.convert("a/folder") == Path("a/folder")
    with pytest.raises(ClickException, match="no bundle 'c'"):
        named.convert(f"{NAME}@c")
