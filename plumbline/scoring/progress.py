"""How fast rows are scored, and how long the rest will take."""

import logging
import time

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 2.0


class Pace:
    """Logs rows, rows/s and what is left, every other second at most."""

    def __init__(self, where: str, done: int, expected: int | None) -> None:
        self._where = where
        self._before = self._done = done
        self._expected = expected
        self._started = self._told = time.monotonic()

    def at(self, row: int) -> None:
        """Rows up to this one are done."""
        self._done = row
        if time.monotonic() - self._told >= SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            log.info("%s: %s", self._where, self.line(self._told - self._started))

    def line(self, seconds: float) -> str:
        """What is told after so many seconds."""
        rate = (self._done - self._before) / max(seconds, 1e-9)
        done = f"{self._done:,}"
        if self._expected is None or self._expected <= self._done or not rate:
            return f"{done} rows, {rate:,.0f} rows/s"
        left = (self._expected - self._done) / rate
        return f"{done} of about {self._expected:,} rows, {rate:,.0f} rows/s, {_time(left)} left"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
