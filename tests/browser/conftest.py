"""One server and one browser for all tests; what they saw, where a test fails."""

import os
from collections.abc import Generator, Iterator

import pytest
from chromium import NoBrowser, chromium, started
from dagster_dev import Server, dagster_dev
from playwright.sync_api import Browser
from small_project import PROJECT, small_project
from ui import Ui

from plumbline.postgres import Postgres

FAILED = PROJECT / "build" / "browser"
"""Where a test that fails leaves its screenshot."""
LOG_LINES = 60
OWN = ("DAGSTER_HOME", "PLUMBLINE_STORE")
"""Variables that would lead the server away from its own folders."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        path = chromium()
    except NoBrowser as error:
        # A proof that is not given must not look like one where it counts.
        required = os.environ.get("PLUMBLINE_BROWSER") == "required" or os.environ.get("CI")
        (pytest.fail if required else pytest.skip)(str(error))
    with started(path) as running:
        yield running


@pytest.fixture(scope="module")
def server(
    browser: Browser, module_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """`plumbline ui` on a project that declares the small pipeline, and nothing else."""
    root = tmp_path_factory.mktemp("browser")
    project = small_project(root / "project", module_postgres)
    environment = {name: value for name, value in os.environ.items() if name not in OWN} | {
        "PYTHONPATH": str(project),
        "DATABASE_URL": module_postgres.url,
        "PLUMBLINE_HOME": str(root / "home"),
    }
    log = root / "dagster.log"
    with dagster_dev(project, environment, log) as address:
        yield Server(address, log, module_postgres)


@pytest.fixture(scope="module")
def ui(browser: Browser, server: Server) -> Iterator[Ui]:
    """One page for all tests: a fresh one would load Dagster's scripts again."""
    page = browser.new_page(reduced_motion="reduce")
    yield Ui(page, server.address)
    page.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what was on the screen, on the console and in the server's log."""
    report = yield
    ui, server = (getattr(item, "funcargs", {}).get(name) for name in ("ui", "server"))
    if report.failed and ui:
        FAILED.mkdir(parents=True, exist_ok=True)
        picture = FAILED / f"{item.name}.png"
        ui.page.screenshot(path=picture)
        page = ui.page.locator("body").aria_snapshot()
        report.sections += [
            ("page", f"{ui.page.url}\nscreenshot: {picture}\n{page}"),
            ("browser console", "\n".join(ui.errors) or "no errors"),
        ]
    if report.failed and server:
        lines = server.log.read_text("utf-8", "replace").splitlines()
        report.sections.append(("server log", "\n".join(lines[-LOG_LINES:])))
    return report
