"""Dagster's UI as people use it: its pages, by what is done on them."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page, Request, ViewportSize, expect

LOCATION = "/locations/plumbline"
VIEW: ViewportSize = {"width": 1400, "height": 900}
WIDE: ViewportSize = {"width": 2400, "height": 1600}
SECONDS = 1000  # Playwright counts in milliseconds
PATIENCE = 60 * SECONDS
"""For a page on a busy machine."""
RUN_PATIENCE = 300 * SECONDS
"""For a whole run, and for a backfill."""
QUIET_SECONDS = 0.5
DRAWN = """all => Promise.all(all.map(async image => {
  try { await image.decode(); } catch { return 0; }
  const canvas = document.createElement("canvas");
  const [width, height] = [canvas.width = image.naturalWidth, canvas.height = image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  return pixels.some(pixel => pixel !== pixels[0]) ? width : 0;
}))"""
"""Widths of pictures; 0 where one is broken or blank, as one that is cut off may be."""

expect.set_options(timeout=PATIENCE)


@dataclass
class Shown:
    """What one entry of a materialization shows when its Markdown is opened."""

    name: str
    pictures: list[int] = field(default_factory=list)
    """Widths of its pictures in pixels; 0 for one that is broken or blank."""
    words: str = ""


class Ui:
    """One page of a browser on a server."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        page.set_default_timeout(PATIENCE)
        page.set_viewport_size(VIEW)
        self.errors: list[str] = []
        """What the browser's console called an error."""
        self._asked: set[Request] = set()
        self._busy = time.monotonic()
        page.on("console", lambda told: self._note(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("request", lambda request: self._traffic(self._asked.add, request))
        for ended in ("requestfinished", "requestfailed"):
            page.on(ended, lambda request: self._traffic(self._asked.discard, request))

    def open(self, path: str) -> None:
        self.page.goto(f"{self.address}{path}")

    def settle(self) -> None:
        """Wait until the page has asked the server nothing for QUIET_SECONDS."""
        until = time.monotonic() + PATIENCE / SECONDS
        while self._asked or time.monotonic() - self._busy < QUIET_SECONDS:
            assert time.monotonic() < until, f"{self.page.url} keeps asking the server"
            self.page.wait_for_timeout(50)  # lets Playwright hear of requests

    @contextmanager
    def wide(self) -> Iterator[None]:
        """A window that holds a whole graph: only what is drawn and in view can be clicked."""
        self.page.set_viewport_size(WIDE)
        yield
        self.page.set_viewport_size(VIEW)

    def shorten(self, prefix: str) -> None:
        """Leave `prefix` out of all text that is shown."""
        self.page.evaluate(
            """prefix => {
              const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
              while (texts.nextNode()) {
                const node = texts.currentNode;
                if (node.data.includes(prefix)) node.data = node.data.replaceAll(prefix, "");
              }
            }""",
            prefix,
        )

    # A version: added, chosen, launched.

    def open_group(self, group: str) -> None:
        self.open(f"{LOCATION}/asset-groups/{group}/lineage")

    def open_job(self, job: str) -> None:
        self.open(f"{LOCATION}/jobs/{job}")

    def select_assets(self, *names: str) -> None:
        """Click assets of the graph: what is launched then is these."""
        for position, name in enumerate(names):
            node = self.node(name)
            node.click(modifiers=["Shift"] if position else [])

    def node(self, name: str) -> Locator:
        """An asset in the graph."""
        return self.page.locator("foreignObject").get_by_text(name, exact=True)

    def begin_materializing(self) -> None:
        """Open the dialog in which versions are chosen."""
        self.page.get_by_role("button", name=re.compile("Materialize (all|selected)")).click()
        expect(self.choice()).to_be_visible()
        # A version that is added before the dialog knows the others is not chosen.
        self.settle()

    def add_version(self, name: str) -> None:
        self.page.get_by_text("Add a partition").click()
        dialog = self.page.get_by_role("dialog").filter(has_text="Partition name")
        dialog.get_by_role("textbox").fill(name)
        dialog.get_by_role("button", name="Save").click()
        expect(self.choice()).to_contain_text(name)
        self.settle()

    def launch(self) -> str:
        """Launch what was chosen; path of the run or of the backfill."""
        self.choice().get_by_role("button", name=re.compile("^Launch")).click()
        link = self.page.get_by_role("link", name="View", exact=True)
        expect(link).to_be_visible()
        return link.get_attribute("href") or ""

    def choice(self) -> Locator:
        """The dialog in which versions are chosen."""
        return self.page.get_by_role("dialog").filter(has_text="Partition selection")

    # A run.

    def wait_for_run(self, run: str, outcome: str) -> None:
        """Stay on the page of a run until it says `outcome`."""
        self.open(run)
        ended = re.compile("^(Success|Failure|Canceled)$")
        status = self.page.get_by_text(ended).first
        expect(status).to_be_visible(timeout=RUN_PATIENCE)
        expect(status).to_have_text(outcome)

    def expect_steps(self, state: str, count: str) -> None:
        """The side panel of a run counts so many steps in `state`; count: a pattern."""
        told = self.page.get_by_text(re.compile(rf"^{state} \({count}\)$"))
        expect(told).to_be_visible()

    # An asset.

    def open_version(self, key: str, version: str) -> None:
        """What was materialized of an asset for a version."""
        self.open(f"/assets/{key}?view=partitions&partition={version}")
        expect(self.entry("dataset_version")).to_contain_text(version)

    def entry(self, name: str) -> Locator:
        """The row of the metadata called `name`."""
        cell = self.page.get_by_role("cell", name=name, exact=True)
        return self.page.get_by_role("row").filter(has=cell)

    def value(self, name: str) -> str:
        return self.entry(name).get_by_role("cell").nth(1).inner_text()

    def closed_entries(self) -> list[str]:
        """Names of the entries that open on a click: tables and pictures."""
        rows = self.page.get_by_role("row").filter(has_text="[Show Markdown]")
        return [row.get_by_role("cell").first.inner_text() for row in rows.all()]

    @contextmanager
    def opened(self, name: str) -> Iterator[Locator]:
        """The dialog behind an entry."""
        self.entry(name).get_by_text("[Show Markdown]").click()
        dialog = self.page.get_by_role("dialog").filter(has_text=name)
        expect(dialog.locator("img[src], table, p").first).to_be_visible()
        yield dialog
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_be_hidden()

    def shown(self, name: str) -> Shown:
        with self.opened(name) as dialog:
            pictures = dialog.locator("img[src]")
            return Shown(name, pictures.evaluate_all(DRAWN), dialog.inner_text())

    # Lineage.

    def open_lineage(self, key: str) -> None:
        """What an asset comes from, and what comes of it."""
        self.open(f"/assets/{key}?view=lineage&lineageScope=neighbors")

    def follow(self, name: str) -> None:
        """Click a neighbour: its own neighbours are shown."""
        self.node(name).click()
        self.page.wait_for_url(f"**/{name}?**")

    # Checks.

    def open_check(self, key: str, check: str) -> None:
        self.open(f"/assets/{key}?view=checks&checkDetail={check}")
        expect(self.page.get_by_text("Latest execution", exact=True)).to_be_visible()

    # Schedules.

    def switch(self, automation: str) -> Locator:
        """The switch of a schedule or sensor, on the page that lists them all."""
        self.open("/automation")
        row = self.page.locator("[data-index]").filter(
            has=self.page.get_by_text(automation, exact=True)
        )
        return row.locator("label").nth(1)  # the first one selects the row

    # The launchpad.

    def open_launchpad(self, job: str) -> None:
        self.open(f"{LOCATION}/jobs/{job}/playground")
        expect(self.page.get_by_text("No errors")).to_be_visible()

    def config(self) -> str:
        return self.page.locator(".CodeMirror-code").inner_text()

    def choose_version(self, version: str) -> None:
        box = self.page.get_by_role("combobox")
        box.fill(version)
        expect(self.page.get_by_text(version, exact=True)).to_be_visible()  # the list below it
        box.press("Enter")
        expect(box).to_have_value(version)

    def launch_from_launchpad(self) -> str:
        """Path of the run."""
        self.page.get_by_role("button", name="Launch Run").click()
        self.page.wait_for_url("**/runs/*")
        return self.page.url.removeprefix(self.address)

    def _note(self, told: str) -> None:
        self.errors.append(told)

    def _traffic(self, change: Callable[[Request], object], request: Request) -> None:
        change(request)
        self._busy = time.monotonic()
