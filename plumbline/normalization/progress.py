"""Lines that say how far a long pass has come."""

import logging
import time

EVERY_SECONDS = 2.0


class Progress:
    """Counts rows and, at most every two seconds, logs how many and how fast."""

    def __init__(self, log: logging.Logger, what: str, total: int):
        self._log = log
        self._what = what
        self._total = total
        self._done = 0
        self._started = self._told = time.monotonic()

    def advance(self, rows: int) -> None:
        self._done += rows
        now = time.monotonic()
        if now - self._told < EVERY_SECONDS:
            return
        self._told = now
        speed = self._done / (now - self._started)
        self._log.info(
            "%s: %s of %s rows, %s rows/s, about %.0f s left",
            self._what,
            f"{self._done:,}",
            f"{self._total:,}",
            f"{speed:,.0f}",
            (self._total - self._done) / speed,
        )
