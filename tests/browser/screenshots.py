"""The documentation's pictures of the UI, from a copy of the demo: `make screenshots`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from chromium import chromium, started
from dagster_dev import Server, dagster_dev
from PIL import Image
from playwright.sync_api import Locator, expect
from ui import VIEW, Ui

from pipelines.cli import DEMO_VERSION
from plumbline.environment import home
from plumbline.postgres import Postgres, embedded

PROJECT = Path(__file__).parents[2]
IMAGES = PROJECT / "docs" / "images"
PIPELINE = "flights"
MENU = 240
"""Pixels of Dagster's own menu, which the pictures leave out."""
COLOURS = 256
LIMIT = 200_000
"""Bytes of a picture, at most."""
SPOIL = "UPDATE nycflights13.weather SET temp = 'Infinity' WHERE hour = 5 AND day = 1"


def main() -> None:
    if not (home() / "dagster").is_dir():
        sys.exit("there is no demo to take pictures of; to fix: make demo")
    with _copy_of_the_demo() as server, started(chromium()) as browser:
        ui = Ui(browser.new_page(reduced_motion="reduce"), server.address)
        _graph(ui)
        _lineage(ui)
        _launchpad(ui)
        _versions(ui)
        _evaluation(ui)
        _schedule(ui)
        _launch(ui, server.postgres)


@contextmanager
def _copy_of_the_demo() -> Iterator[Server]:
    """What is launched for a picture is launched in a copy: the demo is left as it is."""
    with tempfile.TemporaryDirectory(prefix="plumbline-pictures-") as folder:
        copy = Path(folder) / "home"
        subprocess.run(["cp", "-a", str(home()), str(copy)], check=True)
        postgres = Postgres(embedded(copy / "postgres"))
        kept = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        environment = {**kept, "PLUMBLINE_HOME": str(copy), "DATABASE_URL": postgres.url}
        log = Path(folder) / "dagster.log"
        with dagster_dev(PROJECT, environment, log) as address:
            yield Server(address, log, postgres)


def _graph(ui: Ui) -> None:
    """Wide enough for the names of the stages to be read."""
    ui.page.set_viewport_size({"width": 2200, "height": 760})
    ui.open_group(PIPELINE)
    expect(ui.node("predictions")).to_be_visible()
    ui.settle()
    _save(ui, "graph", top=160, left=MENU)
    ui.page.set_viewport_size(VIEW)


def _lineage(ui: Ui) -> None:
    ui.open_lineage(f"{PIPELINE}/normalization")
    expect(ui.node("split")).to_be_visible()
    expect(ui.page.get_by_text("Loading...")).to_have_count(0)
    ui.settle()
    _save(ui, "lineage", left=MENU)


def _launchpad(ui: Ui) -> None:
    ui.open_launchpad(PIPELINE)
    ui.choose_version(DEMO_VERSION)
    ui.settle()
    _save(ui, "launchpad", left=MENU)


def _versions(ui: Ui) -> None:
    ui.open_version(f"{PIPELINE}/normalization", DEMO_VERSION)
    ui.settle()
    _save(ui, "versions", left=MENU)


def _evaluation(ui: Ui) -> None:
    ui.open_version(f"{PIPELINE}/evaluation", DEMO_VERSION)
    with ui.opened("intervals") as dialog:
        ui.settle()
        _save(ui, "evaluation", of=dialog)


def _schedule(ui: Ui) -> None:
    switch = ui.switch(f"{PIPELINE}_schedule")
    switch.click()
    expect(switch.get_by_role("checkbox")).to_be_checked()
    _save(ui, "schedule", left=MENU, height=380)
    switch.click()
    expect(switch.get_by_role("checkbox")).not_to_be_checked()


def _launch(ui: Ui, postgres: Postgres) -> None:
    """A version whose rows are spoilt: added, launched, blocked."""
    with postgres.connect() as connection:
        connection.execute(SPOIL)
    ui.open_job(PIPELINE)
    ui.begin_materializing()
    ui.add_version("2013_spoilt")
    _save(ui, "launch", of=ui.choice())
    ui.wait_for_run(ui.launch(), "Failure")
    _save(ui, "blocked", left=MENU, height=700)
    ui.open_check(f"{PIPELINE}/audit", "finite")
    ui.settle()
    _save(ui, "check", left=MENU, height=620)


def _save(
    ui: Ui,
    name: str,
    *,
    of: Locator | None = None,
    left: int = 0,
    top: int = 0,
    height: int | None = None,
) -> None:
    """Crop what is on the page, in few colours; paths are shown as below the project."""
    ui.page.mouse.move(left, 0)  # nothing is shown as hovered
    ui.shorten(f"{PROJECT}/")
    with Image.open(BytesIO((of or ui.page).screenshot())) as taken:
        bottom = top + height if height else taken.height
        picture = taken.convert("RGB").crop((left, top, taken.width, bottom))
    path = IMAGES / f"ui-{name}.png"
    picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)
    size = path.stat().st_size
    assert size < LIMIT, f"{path.name} has {size:,} bytes; expected fewer than {LIMIT:,}"
    print(f"{path.relative_to(PROJECT)}: {picture.width} x {picture.height}, {size:,} bytes")


if __name__ == "__main__":
    main()
