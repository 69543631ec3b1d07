"""What people do in the UI, done in a real browser on a real `plumbline ui`."""

import re
from collections.abc import Iterator

import pytest
from dagster_dev import Server, asked
from playwright.sync_api import expect
from small_project import NAME, TABLE
from ui import RUN_PATIENCE, Ui

PROMISED = {
    "split": {"picture"},
    "audit": {"histograms"},
    "random_forest": {"importances"},
    "xgboost": {"importances"},
    "network": {"learning_curves"},
    "evaluation": {"roc", "precision_recall", "calibration", "intervals"},
    "predictions": {"distribution"},
}
"""Pictures that people are promised to see, by asset; there may be more."""
DIGEST = re.compile("[0-9a-f]{64}")
STAGES = """query Stages($group: AssetGroupSelector!) {
  assetNodes(group: $group) { assetKey { path } jobNames isPartitioned } }"""


@pytest.fixture(autouse=True)
def quiet_console(ui: Ui) -> Iterator[None]:
    """No test leaves an error on the browser's console."""
    ui.errors.clear()
    yield
    assert not ui.errors


@pytest.fixture(scope="module")
def compared(ui: Ui) -> str:
    """A backfill of two stages over two new versions, launched and left to run."""
    with ui.wide():
        ui.open_job(NAME)
        ui.select_assets("snapshot", "split")
        ui.begin_materializing()
    ui.add_version("first")
    ui.add_version("second")
    return ui.launch()


@pytest.fixture(scope="module")
def launched(ui: Ui) -> str:
    """A run of the whole pipeline on a new version, left to run."""
    ui.open_job(NAME)
    ui.begin_materializing()
    ui.add_version("good")
    return ui.launch()


@pytest.fixture
def succeeded(launched: str, ui: Ui) -> None:
    ui.wait_for_run(launched, "Success")


@pytest.fixture(scope="module")
def stages(server: Server) -> list[str]:
    """The assets of the pipeline's job."""
    group = {
        "groupName": NAME,
        "repositoryName": "__repository__",
        "repositoryLocationName": "plumbline",
    }
    found = asked(server.address, STAGES, group=group)["assetNodes"]
    return [one["assetKey"]["path"][-1] for one in found if NAME in one["jobNames"]]


# The first two launch what runs while the others are looked at.


def test_a_version_is_added_and_launched(ui, launched):
    ui.open(launched)
    expect(ui.page.get_by_text("partition: good")).to_be_visible()


def test_a_subset_is_launched_over_two_versions(ui, compared):
    ui.open(compared)
    expect(ui.page.get_by_text("2 partitions")).to_be_visible()


def test_a_schedule_is_turned_on_and_off(ui):
    for on in (True, False):
        switch = ui.switch(f"{NAME}_schedule")
        expect(switch.get_by_role("checkbox")).to_be_checked(checked=not on)
        switch.click()
        expect(switch.get_by_role("checkbox")).to_be_checked(checked=on)
    again = ui.switch(f"{NAME}_schedule")
    expect(again.get_by_role("checkbox")).not_to_be_checked()


def test_the_launched_run_succeeds(ui, launched, stages):
    ui.wait_for_run(launched, "Success")
    assert len(stages) > 10
    ui.expect_steps("Succeeded", f"{len(stages)}")


@pytest.mark.usefixtures("succeeded")
def test_every_stage_shows_both_versions_and_its_pictures(ui, stages):
    normalizations, drawn = set(), {}
    for stage in stages:
        ui.open_version(f"{NAME}/{stage}", "good")
        normalizations.add(ui.value("normalization_version"))
        shown = [ui.shown(name) for name in ui.closed_entries()]
        drawn[stage] = {one.name for one in shown if one.pictures}
        for one in shown:
            assert all(one.pictures), f"{stage}: the picture {one.name} is broken"
    assert len(normalizations) == 1
    assert DIGEST.fullmatch(normalizations.pop())
    assert {stage: names - drawn[stage] for stage, names in PROMISED.items()} == {
        stage: set() for stage in PROMISED
    }


@pytest.mark.usefixtures("succeeded")
def test_lineage_leads_from_a_prediction_to_the_source_table(ui):
    upstream = ("release", "evaluation", "network", "normalization", "split", "snapshot", TABLE)
    with ui.wide():
        ui.open_lineage(f"{NAME}/predictions")
        for name in upstream:
            ui.follow(name)
    ui.page.get_by_role("tab", name="Overview").click()
    expect(ui.page.get_by_text(f"Table public.{TABLE}")).to_be_visible()


@pytest.mark.usefixtures("succeeded")
def test_the_launchpad_launches_with_its_defaults(ui):
    ui.open_launchpad(NAME)
    assert f"{NAME}__snapshot" in ui.config()
    ui.choose_version("good")
    ui.launch_from_launchpad()
    expect(ui.page.get_by_text("partition: good")).to_be_visible()


def test_a_blocked_run_names_its_check_and_the_remedy(ui, server, succeeded):
    with server.postgres.connect() as connection:
        connection.execute(f"UPDATE public.{TABLE} SET amount = 'Infinity' WHERE visit_id = 7")
    ui.open_job(NAME)
    ui.begin_materializing()
    ui.add_version("bad")
    ui.wait_for_run(ui.launch(), "Failure")
    ui.expect_steps("Errored", "1")
    ui.expect_steps("Not executed", "[1-9][0-9]")
    ui.open_check(f"{NAME}/audit", "finite")
    expect(ui.page.get_by_text("This is a blocking asset check.")).to_be_visible()
    told = ui.page.get_by_text("feature 'amount' is infinite in 1 rows. To fix:")
    expect(told).to_contain_text("CASE WHEN abs(amount) < 'Infinity'")
    ui.open(f"/assets/{NAME}/network?view=partitions&partition=bad")
    expect(ui.page.get_by_text("failed, and did not materialize this asset")).to_be_visible()


def test_the_versions_of_a_backfill_are_compared(ui, compared):
    ui.open(compared)
    expect(ui.page.get_by_text("Completed")).to_be_visible(timeout=RUN_PATIENCE)
    for version in ("first", "second"):
        ui.open_version(f"{NAME}/split", version)
