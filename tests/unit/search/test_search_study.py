"""The laws of a search, on networks that are not trained: budget, seed, resuming, failures."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from searching import DIVERGES, EPOCHS, problem, stand_in

from plumbline.errors import DatabaseUnreachable, TrainingError
from plumbline.postgres import Postgres
from plumbline.search.result import SearchResult, Trial
from plumbline.search.search import search
from plumbline.search.study import FULL_EPOCHS, FULL_TRIALS, SCHEMA, Study, storage

BUDGET = {"trials": 16, "seed": 3}


class Killed(BaseException):
    """As a signal would end the process: nothing of ours catches it."""


def timeless(found: SearchResult) -> list[Trial]:
    return [dataclasses.replace(one, seconds=0.0) for one in found.trials]


@pytest.fixture(scope="module")
def uninterrupted() -> SearchResult:
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        return search(problem(BUDGET), "uninterrupted")


def test_a_search_spends_its_budget_and_keeps_the_best(uninterrupted: SearchResult):
    assert [one.number for one in uninterrupted.trials] == list(range(16))
    states = {one.state for one in uninterrupted.trials}
    assert states == {"done", "pruned", "failed"}
    ended = [one.value for one in uninterrupted.trials if one.state == "done"]
    assert uninterrupted.trials[uninterrupted.best].value == min(ended)
    assert uninterrupted.metric == "loss"
    assert not uninterrupted.maximize


def test_a_search_finds_the_valley():
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        found = search(problem({"trials": 40, "seed": 1}), "valley")
    assert 3e-3 < found.options["learning_rate"] < 3e-2
    assert next(iter(found.importances)) == "learning_rate"
    assert sum(found.importances.values()) == pytest.approx(1)


def test_the_first_trial_is_the_recipe_where_the_space_holds_it(uninterrupted: SearchResult):
    assert uninterrupted.trials[0].values == {
        "learning_rate": 5e-4,
        "width": 64,  # the recipe's 256, or the nearest
        "optimizer": "adam",
    }


def test_the_same_seed_gives_the_same_trials(uninterrupted: SearchResult, monkeypatch):
    stand_in(monkeypatch)
    again = search(problem(BUDGET), "uninterrupted")
    assert timeless(again) == timeless(uninterrupted)
    assert again.importances == uninterrupted.importances
    other = search(problem({**BUDGET, "seed": 4}), "other")
    assert timeless(other)[1:] != timeless(uninterrupted)[1:]


def test_a_smaller_budget_gives_the_first_trials(uninterrupted: SearchResult, monkeypatch):
    stand_in(monkeypatch)
    fewer = search(problem({**BUDGET, "trials": 12}), "fewer")
    assert timeless(fewer) == timeless(uninterrupted)[:12]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.tuples(st.integers(1, 16), st.integers(0, EPOCHS - 1)), max_size=3))
def test_a_killed_search_goes_on_as_if_nothing_had_been(
    uninterrupted: SearchResult, kills: list[tuple[int, int]]
):
    import optuna

    kept = optuna.storages.InMemoryStorage()
    left = list(kills)

    def before(trial: int, epoch: int) -> None:
        if (trial, epoch) in left:
            left.remove((trial, epoch))
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        instead = stand_in(patch, before)
        for _ in range(len(kills) + 1):
            try:
                found = search(problem(BUDGET), "killed", kept)
                break
            except Killed:
                continue
    assert timeless(found) == timeless(uninterrupted)
    assert found.importances == uninterrupted.importances
    assert instead.trials == 16 + len(kills) - len(left)


def test_nothing_is_trained_again_when_all_trials_are_there(uninterrupted, monkeypatch, postgres):
    first = stand_in(monkeypatch)
    with storage(postgres) as kept:
        found = search(problem(BUDGET), "one", kept)
    with storage(postgres) as kept:
        assert search(problem(BUDGET), "one", kept) == found
    assert timeless(found) == timeless(uninterrupted)
    assert first.trials == 16


SCRIPT = """
import os, signal, sys
import pytest
from searching import problem, stand_in
from plumbline.postgres import Postgres
from plumbline.search.search import search
from plumbline.search.study import storage

def before(trial, epoch):
    if (trial, epoch) == (6, 2):
        os.kill(os.getpid(), signal.SIGKILL)

stand_in(pytest.MonkeyPatch(), before)
with storage(Postgres(os.environ["DATABASE_URL"])) as kept:
    search(problem({"trials": 16, "seed": 3}), "killed", kept)
"""


def test_a_process_that_is_killed_leaves_its_trials_to_the_next_one(
    uninterrupted, monkeypatch, postgres
):
    root = Path(__file__).parents[3]
    environment = {
        **os.environ,
        "DATABASE_URL": postgres.url,
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")]),
    }
    killed = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    instead = stand_in(monkeypatch)
    with storage(postgres) as kept:
        found = search(problem(BUDGET), "killed", kept)
    assert timeless(found) == timeless(uninterrupted)
    assert instead.trials == 16 - 5
    with postgres.connect() as connection:
        states = connection.execute(
            f"SELECT state, count(*) FROM {SCHEMA}.trials GROUP BY state"
        ).fetchall()
    counted = dict(states)
    assert counted.pop("FAIL") == found.count("failed") + 1
    assert counted == {"COMPLETE": found.count("done"), "PRUNED": found.count("pruned")}


def test_a_trial_that_diverges_is_recorded_and_the_search_goes_on(uninterrupted: SearchResult):
    failed = [one for one in uninterrupted.trials if one.state == "failed"]
    assert failed
    for one in failed:
        assert one.values["learning_rate"] > DIVERGES
        assert one.error
        assert "loss is nan" in one.error
        assert one.value is None
        assert one.epochs == 0


def test_where_every_trial_fails_the_error_says_why(monkeypatch):
    stand_in(monkeypatch)
    hopeless = {"trials": 3, "space": {"learning_rate": {"low": 0.6, "high": 1.0}}}
    with pytest.raises(TrainingError, match=r"none of 3 trials ended: .*loss is nan") as caught:
        search(problem(hopeless, widths=[8]), "hopeless")
    assert "network.search.space" in caught.value.remedy


def test_an_error_of_ours_is_no_failed_trial(monkeypatch):
    def before(trial: int, epoch: int) -> None:
        raise ZeroDivisionError

    stand_in(monkeypatch, before)
    with pytest.raises(ZeroDivisionError):
        search(problem(BUDGET), "broken")


def test_pruning_spares_the_first_trials_and_epochs(uninterrupted: SearchResult):
    pruned = [one for one in uninterrupted.trials if one.state == "pruned"]
    full = [one.number for one in uninterrupted.trials if one.state == "done"]
    assert pruned
    assert min(one.epochs for one in pruned) >= FULL_EPOCHS
    assert min(one.number for one in pruned) > full[FULL_TRIALS - 1]


def test_without_pruning_every_trial_ends(monkeypatch):
    stand_in(monkeypatch)
    found = search(problem({**BUDGET, "prune": False}), "patient")
    assert found.count("pruned") == 0
    assert {one.epochs for one in found.trials if one.state == "done"} == {EPOCHS}


def test_trials_are_bounded_in_epochs_and_alike_but_for_the_draw(monkeypatch):
    instead = stand_in(monkeypatch)
    search(problem({"trials": 4, "max_epochs": 2}, seed=7, range_test=True), "short")
    for spec in instead.specs:
        assert spec.max_epochs == 2
        assert spec.seed == 7
        assert spec.batch_size == 32
        assert not spec.range_test
        assert spec.search is None


def test_a_draw_that_does_not_go_together_is_a_failed_trial(monkeypatch):
    stand_in(monkeypatch)
    space = {"dropout": [[0.1], [0.1, 0.2]], "widths": [[8], [8, 8]]}
    found = search(problem({"trials": 12, "space": space}, learning_rate=0.01), "pairs")
    for one in found.trials:
        agree = len(one.values["dropout"]) == len(one.values["widths"])
        assert agree == (one.state != "failed")
        assert agree or "dropout rates for" in str(one.error)
    assert found.count("failed")


def test_a_line_per_trial_is_told(monkeypatch, caplog):
    stand_in(monkeypatch)
    with caplog.at_level("INFO", logger="plumbline.search"):
        found = search(problem(BUDGET), "told")
    lines = [one.message for one in caplog.records if one.message.startswith("search: trial ")]
    assert len(lines) == 16
    for number, (line, one) in enumerate(zip(lines, found.trials, strict=True)):
        assert f"trial {number + 1} of 16: " in line
        assert {"done": "", "pruned": "(pruned)", "failed": "(failed: "}[one.state] in line
        assert "s left" in line
    assert f"of trial {found.best + 1}" in lines[-1]


def test_optuna_itself_says_nothing(monkeypatch, capfd):
    stand_in(monkeypatch)
    search(problem({"trials": 2}), "quiet")
    assert "Trial" not in "".join(capfd.readouterr())


def test_tables_are_made_in_their_own_schema_and_once(postgres: Postgres):
    for _ in range(2):
        with storage(postgres) as kept:
            # Optuna keeps this for ever, and may print it.
            assert getattr(kept, "url") == "postgresql+psycopg://"  # noqa: B009
    with postgres.connect() as connection:
        schemas = connection.execute(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('studies', 'trials')"
        ).fetchall()
    assert schemas == [(SCHEMA,)]


def test_no_connection_stays_behind(postgres: Postgres, monkeypatch):
    stand_in(monkeypatch)
    with storage(postgres) as kept:
        search(problem({"trials": 2}), "brief", kept)
    with postgres.connect() as connection:
        others = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchone()
    assert others == (0,)


def test_the_password_is_told_nobody(caplog):
    unreachable = Postgres("postgresql://somebody:hush@localhost:1/nowhere")
    with (
        caplog.at_level("DEBUG"),
        pytest.raises(DatabaseUnreachable) as caught,
        storage(unreachable),
    ):
        pass
    assert "hush" not in f"{caught.value!r} {caught.value.values} {caplog.text}"


def test_a_result_reads_back_as_it_was_written(uninterrupted: SearchResult, tmp_path: Path):
    uninterrupted.save(tmp_path)
    assert SearchResult.load(tmp_path) == uninterrupted


def test_importing_the_search_imports_no_optuna():
    script = "import plumbline.search.search, sys; print('optuna' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert told.stdout.strip() == b"False"


@pytest.mark.parametrize("maximize", [True, False])
def test_the_sampler_is_told_which_way_is_better(maximize: bool):
    task = problem(BUDGET)
    study = Study.open("way", task.space, seed=0, maximize=maximize, prune=True, max_epochs=EPOCHS)
    assert study.optuna.direction.name == ("MAXIMIZE" if maximize else "MINIMIZE")
