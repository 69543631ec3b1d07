"""A Chromium to drive: the one that is there, else one that is installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_SECONDS = 600


class NoBrowser(Exception):
    """No Chromium was found, and none could be installed."""


def chromium() -> str:
    """Path of the browser: PLUMBLINE_CHROMIUM, one on PATH, Playwright's own, a new one.

    Raises:
        NoBrowser: says what was tried.
    """
    if named := os.environ.get("PLUMBLINE_CHROMIUM"):
        if not os.access(named, os.X_OK):
            raise NoBrowser(f"PLUMBLINE_CHROMIUM names {named}, which is no program")
        return named
    return _found() or _installed()


@contextmanager
def started(path: str) -> Iterator[Browser]:
    # Its own sandbox is refused to root, and containers give it little shared memory.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def _found() -> str | None:
    on_path = (shutil.which(name) for name in NAMES)
    return next(filter(None, on_path), None) or _playwrights_own()


def _playwrights_own() -> str | None:
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _installed() -> str:
    tried = []
    for command in _commands():
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            tried.append(f"{' '.join(command)}: {error}")
        if found := _found():
            return found
    raise NoBrowser("no Chromium is installed, and none could be: " + "; ".join(tried))


def _commands() -> list[list[str]]:
    """Debian's own package where it may be installed, else Playwright's download."""
    own = [sys.executable, "-m", "playwright", "install", "chromium"]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return [own]
    quiet = ["apt-get", "--yes", "--quiet", "--no-install-recommends"]
    # Ubuntu's package of this name only asks for a snap, which containers cannot run.
    debian = "ID=debian" in Path("/etc/os-release").read_text("utf-8").splitlines()
    system = [["apt-get", "update"], [*quiet, "install", "chromium"]] if debian else []
    return [*system, [*own, "--with-deps"]]
