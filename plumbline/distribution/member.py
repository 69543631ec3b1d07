"""What a worker process does beside its training: says that it lives, ends with its launcher.

Its launcher starts it as `python -m plumbline.distribution.member DESCRIPTOR`, hands it the task
as a line of JSON on its standard input, and never closes that while it lives. On DESCRIPTOR the
worker writes lines of JSON: see `group`.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from plumbline.errors import PlumblineError

BEAT = 1.0
"""Seconds between two signs of life."""

MOST = 300
"""Of another library's message (characters)."""

ABANDONED = 3
"""Exit status of a worker whose launcher is gone."""


class Channel:
    """The way to the launcher; threads may share it."""

    def __init__(self, descriptor: int):
        self._file: TextIO = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def say(self, **line: Any) -> None:
        with self._lock:
            self._file.write(json.dumps(line) + "\n")


class Forwarding(logging.Handler):
    """Hands records of the log to the launcher, whose log people read."""

    def __init__(self, channel: Channel):
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        self._channel.say(log=record.getMessage(), level=record.levelno, name=record.name)


def take_part(descriptor: int, work: Callable[[dict[str, Any]], None]) -> int:
    """Do `work` on the task, and say how it ended; returns the exit status."""
    channel = Channel(descriptor)
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    threading.Thread(target=_beat, args=[channel], daemon=True).start()
    _forward_log(channel)
    try:
        work(task)
    except Exception as error:  # whatever it is, the launcher is to know
        logging.getLogger(__name__).debug("the worker failed", exc_info=True)
        channel.say(error=_told(error))
        return 1
    channel.say(done=True)
    return 0


def _end_with_launcher() -> None:
    """Wait for the end of standard input: the kernel closes it when the launcher dies."""
    sys.stdin.read()
    os._exit(ABANDONED)


def _beat(channel: Channel) -> None:
    while True:
        channel.say(alive=True)
        time.sleep(BEAT)


def _forward_log(channel: Channel) -> None:
    log = logging.getLogger("plumbline")
    log.addHandler(Forwarding(channel))
    log.setLevel(logging.INFO)


def _told(error: Exception) -> dict[str, Any]:
    if isinstance(error, PlumblineError):
        said = {"found": error.found, "expected": error.expected, "remedy": error.remedy}
        return {"kind": type(error).__name__, **said}
    return {"kind": type(error).__name__, "found": " ".join(str(error).split())[:MOST]}


def _run(task: dict[str, Any]) -> None:
    from plumbline.distribution.tasks import TrainingTask, run

    run(TrainingTask(**task))


if __name__ == "__main__":
    sys.exit(take_part(int(sys.argv[1]), _run))
